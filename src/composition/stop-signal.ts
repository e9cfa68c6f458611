/**
 * Resolves at the first Ctrl-C or SIGTERM. Later ones change nothing: npm passes a Ctrl-C on that the process has
 * already got from the terminal, and stopping is bounded in time. A terminal that is closed stops it too; under
 * `nohup`, which takes the terminal away, it goes on.
 */
export function untilStopSignal(): Promise<void> {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
  if (process.stdout.isTTY) signals.push('SIGHUP');
  return new Promise((resolve) => {
    for (const signal of signals) process.on(signal, () => resolve());
  });
}
