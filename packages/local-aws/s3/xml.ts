/**
 * S3's XML. It is written as text, because each list call makes a page of 1,000 keys, and read by
 * fast-xml-parser.
 */
import { XMLParser } from 'fast-xml-parser';

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/**
 * Control characters become references, as in S3: a bare carriage return would be read as a
 * newline.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what must be escaped here
const UNSAFE = /[&<>"'\u0000-\u001f\u007f-\u009f\u2028\ufffe\uffff]/g;

function escapeXml(text: string): string {
  return text.replace(
    UNSAFE,
    (found) => ESCAPES[found] ?? `&#x${found.charCodeAt(0).toString(16)};`,
  );
}

/** `<name>value</name>`, or nothing when there is no value. */
export function leaf(name: string, value: string | number | boolean | undefined): string {
  return value === undefined
    ? ''
    : `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`;
}

/** `<name>…</name>` around elements already written. */
export const element = (name: string, ...children: string[]): string =>
  `<${name}>${children.join('')}</${name}>`;

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

export const document = (name: string, ...children: string[]): string =>
  `${DECLARATION}<${name} xmlns="${NAMESPACE}">${children.join('')}</${name}>`;

/** Errors have no namespace on AWS. */
export const errorDocument = (...children: string[]): string =>
  `${DECLARATION}${element('Error', ...children)}`;

export interface XmlNode {
  [name: string]: XmlNode[] | string[] | undefined;
}

// Entities are decoded below in one pass: the parser's own decoding stops at 1,000 of them, which a
// DeleteObjects of odd keys exceeds.
const PARSER = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  removeNSPrefix: true,
  isArray: () => true,
});

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/g,
    (whole, hex, decimal, name) => {
      if (name !== undefined) return ENTITIES[String(name)] ?? whole;
      const point = hex === undefined ? Number(decimal) : Number.parseInt(String(hex), 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
    },
  );
}

/** The root element of this name, or undefined when the text is not that document. */
export function parseXml(text: string, root: string): XmlNode | undefined {
  try {
    const parsed: Record<string, unknown> = PARSER.parse(text);
    const [found]: unknown[] = Array.isArray(parsed[root]) ? parsed[root] : [];
    if (typeof found === 'object' && found !== null) return found as XmlNode;
    return found === '' ? {} : undefined;
  } catch {
    return undefined;
  }
}

/** The elements of this name inside a node. */
export function childrenOf(node: XmlNode, name: string): XmlNode[] {
  return (node[name] ?? []).map((child) => (typeof child === 'string' ? {} : child));
}

/** The text of the first element of this name; undefined when there is none. */
export function textOf(node: XmlNode, name: string): string | undefined {
  const first = node[name]?.[0];
  if (first === undefined) return undefined;
  return typeof first === 'string'
    ? decodeEntities(first)
    : decodeEntities(String(first['#text'] ?? ''));
}
