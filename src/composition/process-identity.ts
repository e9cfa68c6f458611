import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Process ids are used again, so a recorded one says little: what the process was started with says whose it is. */

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Whether a process of this id is alive and `script`, a path or a file name, is on its command line. Where command lines cannot be read
 * (Windows), an id that is alive is taken for the recorded process.
 */
export function isRunning(pid: number, script: string): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform === 'win32') return true;
  const words = ` ${commandLineOf(pid)} `;
  return words.includes(` ${script} `) || words.includes(`/${script} `);
}

/** Empty when the process has ended meanwhile, or has ended and nobody has asked for its exit code yet. */
function commandLineOf(pid: number): string {
  try {
    if (process.platform === 'linux')
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
  } catch (error) {
    const { code, status } = error as NodeJS.ErrnoException & { status?: number };
    if (code === 'ENOENT' || code === 'ESRCH' || status === 1) return '';
    throw error;
  }
}
