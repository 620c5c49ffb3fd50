/** The fenced blocks of a document, and the shell script that they make together. */

export interface Block {
  language: string;
  text: string;
  /** Line of its first character in the document, from 1. */
  line: number;
  /** The file that the text before asks the reader to save it as. */
  file?: string;
}

export interface Skipped {
  starts: string;
  why: string;
}

const FENCE = /^```(\w*)\s*$/;
const SAVE = /\bsave\b[^`\n]*\bas `([\w.-]+)`/i;

export function blocksOf(document: string): Block[] {
  const blocks: Block[] = [];
  let open: (Block & { lines: string[] }) | undefined;
  let before = '';
  for (const [at, line] of document.split('\n').entries()) {
    const fence = FENCE.exec(line);
    if (open && line === '```') {
      const { lines, ...block } = open;
      blocks.push({ ...block, text: lines.join('\n') });
      open = undefined;
      before = '';
    } else if (open) open.lines.push(line);
    else if (fence) {
      const file = SAVE.exec(before)?.[1];
      open = {
        language: fence[1] ?? '',
        text: '',
        lines: [],
        line: at + 2,
        ...(file !== undefined && { file }),
      };
    } else if (line.trim() !== '') before = line;
  }
  return blocks;
}

export function scriptOf(
  blocks: readonly Block[],
  skipped: readonly Skipped[],
): { files: Map<string, string>; script: string } {
  const files = new Map(
    blocks.flatMap(({ file, text, language }) =>
      file !== undefined && language === 'json' ? [[file, text] as const] : [],
    ),
  );
  const parts = blocks
    .filter(({ language }) => language === 'sh')
    .filter(({ text }) => !skipped.some(({ starts }) => text.startsWith(starts)))
    .map(({ line, text }) => `echo '::line ${line}'\n${text}`);
  return { files, script: [...parts, "echo '::end'"].join('\n') };
}
