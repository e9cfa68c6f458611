import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { EXIT } from '#adapters/cli/exit-codes.ts';
import { type Actions, buildProgram } from '#adapters/cli/program.ts';

describe('docs/command-line.md', () => {
  const text = readFileSync('docs/command-line.md', 'utf8');
  const sections = new Map(
    text
      .split(/^### /m)
      .slice(1)
      .map((section) => [/^`([^`]+)`/.exec(section)?.[1] ?? section, section] as const),
  );
  // Only the tree of verbs is looked at; no action is called.
  const verbs = leavesOf(
    buildProgram({} as Actions, () => undefined),
    '',
  );

  it('has a section for each verb, with its arguments, and none for others', () => {
    assert.deepEqual([...sections.keys()].toSorted(), [...verbs.keys()].toSorted());
  });

  it('names every option of each verb, and none that it does not have', () => {
    for (const [usage, command] of verbs) {
      const named = new Set(sections.get(usage)?.match(/--[a-z][a-z-]*/g));
      const has = new Set(command.options.map((option) => option.long!));
      assert.deepEqual([...named].toSorted(), [...has].toSorted(), usage);
    }
  });

  it('lists the exit codes', () => {
    const listed = [...text.matchAll(/^\| (\d) /gm)].map((match) => Number(match[1]));
    assert.deepEqual(listed, Object.values(EXIT).toSorted());
  });
});

/** `landfall vehicle set <vin>` to its command, for each verb that does something. */
function leavesOf(command: Command, before: string): ReadonlyMap<string, Command> {
  const name = `${before}${command.name()}`;
  if (command.commands.length > 0) {
    return new Map(command.commands.flatMap((child) => [...leavesOf(child, `${name} `)]));
  }
  const arguments_ = command.registeredArguments.map((argument) =>
    argument.required ? ` <${argument.name()}>` : ` [${argument.name()}]`,
  );
  return new Map([[name + arguments_.join(''), command]]);
}
