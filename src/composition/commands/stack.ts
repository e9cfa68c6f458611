import { CommandError, EXIT } from '#adapters/cli/exit-codes.ts';
import { processTerminal } from '#adapters/cli/terminal.ts';
import { type LocalStack, localStack } from '../local-stack.ts';
import { isRunning } from '../process-identity.ts';
import { readSettings } from '../settings.ts';
import { untilStopSignal } from '../stop-signal.ts';
import { startStack } from '../up.ts';
import { endOrphans, readUpFile } from '../up-file.ts';

/** `landfall up`: everything, in the foreground, until Ctrl-C. */
export async function up(): Promise<number> {
  const stack = localStack(process.env);
  const terminal = processTerminal();
  const stopped = untilStopSignal();
  const running = await startLocalStack(stack, (step) => terminal.note(`  ${step}`));
  terminal.print(`Landfall is up. State: ${stack.home}`);
  terminal.print(`Metadata API: ${stack.environment['LANDFALL_API']}`);
  terminal.print(
    'Settings for other programs: eval "$(npx landfall env)". Stop with Ctrl-C or `npx landfall down`.',
  );
  await stopped;
  terminal.note('  stopping');
  await running.stop();
  return EXIT.ok;
}

export async function startLocalStack(stack: LocalStack, onStep: (step: string) => void) {
  return startStack({
    stack,
    environment: {},
    onStep,
    provision: async () => {
      const { provision } = await import('../provision.ts');
      await provision(readSettings({ ...process.env, ...stack.environment }));
    },
  });
}

const DOWN_WITHIN_MS = 60_000;

export async function down(): Promise<number> {
  const stack = localStack(process.env);
  const terminal = processTerminal();
  const running = readUpFile(stack);
  if (running === undefined) {
    const orphans = await endOrphans(stack);
    terminal.print(
      orphans.length === 0
        ? `Nothing is running for ${stack.home}.`
        : `Stopped what a killed run had left: ${orphans.join(', ')}.`,
    );
    return EXIT.ok;
  }
  process.kill(running.pid, 'SIGTERM');
  const deadline = Date.now() + DOWN_WITHIN_MS;
  while (isRunning(running.pid, running.script)) {
    if (Date.now() > deadline) {
      throw new CommandError(
        `Process ${running.pid} did not stop within ${DOWN_WITHIN_MS / 1000} s. See ${stack.home}/logs.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  terminal.print('Stopped.');
  return EXIT.ok;
}

/** `landfall env`: for `eval`. */
export async function env(): Promise<number> {
  const stack = localStack(process.env);
  const terminal = processTerminal();
  const running = readUpFile(stack);
  if (running?.ready !== true || !(await answers(`${stack.environment['LANDFALL_API']}/health`))) {
    terminal.note(
      running === undefined
        ? `The stack of ${stack.home} is not running. Start it with: npx landfall up`
        : 'The stack is starting and does not accept work yet.',
    );
    return EXIT.notReady;
  }
  for (const [name, value] of Object.entries(stack.environment)) {
    terminal.print(`export ${name}='${value.replaceAll("'", "'\\''")}'`);
  }
  return EXIT.ok;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok;
  } catch (error) {
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError'))
      return false;
    throw error;
  }
}
