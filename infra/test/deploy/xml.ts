/** Answers of the Query protocol (CloudFormation, STS, IAM) and of EC2's form of it. */

export type Xml = string | number | boolean | undefined | readonly Xml[] | { [tag: string]: Xml };

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** A list becomes one `item` tag for each: `member` in Query, `item` in EC2. */
export function xml(value: Xml, item = 'member'): string {
  if (value === undefined) return '';
  if (isList(value)) return value.map((one) => `<${item}>${xml(one, item)}</${item}>`).join('');
  if (typeof value !== 'object') return escape(String(value));
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([tag, inner]) => `<${tag}>${xml(inner, item)}</${tag}>`)
    .join('');
}

const isList = (value: Xml): value is readonly Xml[] => Array.isArray(value);

/** `Parameters.member.1.ParameterKey=A` and so on, as the list that it stands for. */
export function listOf(form: URLSearchParams, name: string): Record<string, string>[] {
  const list: Record<string, string>[] = [];
  for (const [key, value] of form) {
    const [, at, field = ''] =
      new RegExp(`^${name}\\.(?:member\\.)?(\\d+)\\.?(.*)$`).exec(key) ?? [];
    if (at === undefined) continue;
    const index = Number(at) - 1;
    list[index] = { ...list[index], [field]: value };
  }
  return list.filter(Boolean);
}
