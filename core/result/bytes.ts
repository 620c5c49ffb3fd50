/** Reading and writing a compact binary form: numbers as varints, texts with their length in front. */

export interface ByteWriter {
  byte(value: number): void;
  /** A whole number from 0 to 2^53 - 1, seven bits a byte, lowest first (LEB128). */
  varint(value: number): void;
  /** The same for whole numbers of either sign (zigzag): clocks can step back. */
  signed(value: number): void;
  raw(bytes: Uint8Array): void;
  /** UTF-8, its length in bytes in front. */
  text(value: string): void;
  finish(): Buffer;
}

export function writeBytes(): ByteWriter {
  const bytes: number[] = [];
  const varint = (value: number): void => {
    let left = value;
    while (left >= 128) {
      bytes.push((left % 128) + 128);
      left = Math.floor(left / 128);
    }
    bytes.push(left);
  };
  const raw = (part: Uint8Array): void => {
    for (const byte of part) bytes.push(byte);
  };
  return {
    byte: (value) => void bytes.push(value),
    varint,
    signed: (value) => varint(value < 0 ? -2 * value - 1 : 2 * value),
    raw,
    text(value) {
      const encoded = Buffer.from(value);
      varint(encoded.length);
      raw(encoded);
    },
    finish: () => Buffer.from(bytes),
  };
}

/** Thrown for bytes that are not of the form that is read. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

export interface ByteReader {
  byte(): number;
  varint(): number;
  signed(): number;
  raw(length: number): Buffer;
  text(): string;
  /** @throws MalformedBytes when something is left */
  end(): void;
}

/** Every method throws MalformedBytes where the bytes end too early or are not of that form. */
export function readBytes(bytes: Buffer): ByteReader {
  let at = 0;
  const raw = (length: number): Buffer => {
    if (at + length > bytes.length) throw new MalformedBytes('The bytes end too early.');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const byte = (): number => raw(1)[0] ?? 0;
  const varint = (): number => {
    let value = 0;
    let weight = 1;
    for (;;) {
      const next = byte();
      value += (next % 128) * weight;
      if (!Number.isSafeInteger(value)) throw new MalformedBytes('A number is too large.');
      if (next < 128) {
        if (next === 0 && weight > 1) throw new MalformedBytes('A number is padded.');
        return value;
      }
      weight *= 128;
    }
  };
  return {
    byte,
    varint,
    signed() {
      const folded = varint();
      return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2;
    },
    raw,
    text() {
      const part = raw(varint());
      const text = part.toString('utf8');
      if (!Buffer.from(text).equals(part)) throw new MalformedBytes('A text is not UTF-8.');
      return text;
    },
    end() {
      if (at !== bytes.length) throw new MalformedBytes('Bytes are left over.');
    },
  };
}
