/** The part of cliui that is used here; the package has no types of its own. */
declare module 'cliui' {
  interface Cell {
    text: string;
    width: number;
    align?: 'right' | 'center';
    /** Top, right, bottom, left. */
    padding: readonly number[];
  }
  export default function cliui(options: { width: number; wrap: boolean }): {
    div(...cells: Cell[]): void;
    toString(): string;
  };
}
