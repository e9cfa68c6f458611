/**
 * The first whole objects of the array `name` in the beginning of a JSON document, which may be cut off anywhere: a
 * list of a million entries need not be read to show a thousand.
 */
export function firstObjectsOf(beginning: string, name: string, countMax: number): readonly unknown[] {
  const opening = new RegExp(`"${name}"\\s*:\\s*\\[`).exec(beginning);
  const objects: unknown[] = [];
  if (opening === null) return objects;
  let depth = 0;
  let startsAt = 0;
  let isInString = false;
  for (let at = opening.index + opening[0].length; at < beginning.length; at++) {
    const character = beginning[at];
    if (isInString) {
      if (character === '\\') at += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === '{' || character === '[') {
      if (depth === 0) startsAt = at;
      depth += 1;
    } else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth < 0) return objects;
      if (depth === 0) objects.push(JSON.parse(beginning.slice(startsAt, at + 1)));
      if (objects.length === countMax) return objects;
    }
  }
  return objects;
}
