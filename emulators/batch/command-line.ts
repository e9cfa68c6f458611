// Splits a command line into its arguments. Batch runs no shell: variables, pipes and wildcards stay text.

/** The arguments; quotes group, a backslash in double quotes escapes `"` and `\`. */
export function splitCommandLine(commandLine: string): string[] {
  const found: string[] = [];
  let current: string | undefined;
  let quote: '"' | "'" | undefined;
  for (let at = 0; at < commandLine.length; at += 1) {
    const character = commandLine[at] ?? '';
    const next = commandLine[at + 1];
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else if (character === '\\' && quote === '"' && (next === '"' || next === '\\')) {
        current += next;
        at += 1;
      } else current += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      current ??= '';
    } else if (/\s/.test(character)) {
      if (current !== undefined) found.push(current);
      current = undefined;
    } else current = (current ?? '') + character;
  }
  if (current !== undefined) found.push(current);
  return found;
}
