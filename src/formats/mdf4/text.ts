import { type BlockReader, linkOf, Mdf4Damage } from './blocks.ts';

/** What a TX block (plain) or an MD block (XML) says. */
export interface Comment {
  /** The plain text, in MD the content of the first `<TX>`. */
  readonly text: string;
  /** The whole block as written. */
  readonly raw: string;
}

const NO_COMMENT: Comment = { text: '', raw: '' };

/** The comment a link leads to; empty for a nil link. @throws {Mdf4Damage} */
export async function readComment(reader: BlockReader, link: number): Promise<Comment> {
  if (link === 0) return NO_COMMENT;
  const block = await reader.block(link, 'TX', 'MD');
  const bytes = new Uint8Array(block.data.buffer, block.data.byteOffset, block.data.byteLength);
  const end = bytes.indexOf(0);
  const raw = new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
  if (block.id === 'TX') return { text: raw, raw };
  const text = /<TX(?:\s[^>]*)?>([\s\S]*?)<\/TX>/.exec(raw)?.[1] ?? '';
  return { text: unescapeXml(text).trim(), raw };
}

/** Like {@link readComment}, but a damaged text, which costs no value of the recording, is an empty one. */
export async function readText(reader: BlockReader, link: number): Promise<string> {
  try {
    return (await readComment(reader, link)).text;
  } catch (error) {
    if (error instanceof Mdf4Damage) return '';
    throw error;
  }
}

/**
 * The `<e name="…">` of `<common_properties>` in an MD block, trees joined with dots (ASAM MDF 4.1.0 Annex, common
 * properties), such as `author`, `Device.serial`.
 */
export function commonProperties(comment: Comment): Record<string, string> {
  const properties: Record<string, string> = {};
  const trees: string[] = [];
  const tags = /<(tree|e)\s[^>]*?name\s*=\s*"([^"]*)"[^>]*?(\/)?>|<\/tree>/g;
  for (let match = tags.exec(comment.raw); match !== null; match = tags.exec(comment.raw)) {
    const [, tag, name = '', selfClosing] = match;
    if (tag === undefined) trees.pop();
    else if (tag === 'tree' && selfClosing === undefined) trees.push(unescapeXml(name));
    else if (tag === 'e') {
      const end = selfClosing === undefined ? comment.raw.indexOf('</e>', tags.lastIndex) : -1;
      const value = end === -1 ? '' : comment.raw.slice(tags.lastIndex, end);
      properties[[...trees, unescapeXml(name)].join('.')] = unescapeXml(value).trim();
    }
  }
  return properties;
}

/** The content of the first element of that name. */
export function elementText(comment: Comment, element: string): string {
  return unescapeXml(new RegExp(`<${element}>([^<]*)</${element}>`).exec(comment.raw)?.[1] ?? '').trim();
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replaceAll(
    /<!\[CDATA\[([\s\S]*?)\]\]>|&(#x?[0-9a-fA-F]{1,6}|\w+);/g,
    (whole, cdata, entity) => {
      if (cdata !== undefined) return String(cdata);
      const name = String(entity);
      if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
      const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

/** SI block (ASAM MDF 4.1.0, 4.12): the name and path of a bus, ECU or tool. */
export async function readSource(reader: BlockReader, link: number): Promise<{ name: string; path: string }> {
  if (link === 0) return { name: '', path: '' };
  const block = await reader.block(link, 'SI');
  return { name: await readText(reader, linkOf(block, 0)), path: await readText(reader, linkOf(block, 1)) };
}
