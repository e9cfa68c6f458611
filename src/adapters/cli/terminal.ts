/** Where commands print. Progress goes to standard error and only where a person looks; results to standard output. */
export interface Terminal {
  /** A line of the result. */
  print(line: string): void;
  /** One changing line; replaced by the next, removed by `print`. */
  progress(line: string): void;
  /** A line for people that is not part of the result. */
  note(line: string): void;
}

const CLEAR_LINE = '\r\u001b[2K';

export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read along has gone; what is under way, above all stopping what was started, goes on.
    if (stream.listenerCount('error') === 0) stream.on('error', ignoreBrokenPipe);
  }
  const live = process.stderr.isTTY === true;
  let shown = false;
  const clear = () => {
    if (shown) process.stderr.write(CLEAR_LINE);
    shown = false;
  };
  return {
    print(line) {
      clear();
      process.stdout.write(`${line}\n`);
    },
    progress(line) {
      if (!live) return;
      process.stderr.write(`${CLEAR_LINE}${line.slice(0, process.stderr.columns - 1)}`);
      shown = true;
    },
    note(line) {
      clear();
      process.stderr.write(`${line}\n`);
    },
  };
}

function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** 1, `row` → `1 row`; 1234 → `1,234 rows`. */
export function countText(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];

/** 1,234,567 → `1.2 MB`. Decimal units, as storage is sold and billed. */
export function bytesText(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** 95 s → `1 min 35 s`, 0.0125 s → `12.5 ms`, 0.0000005 s → `500 ns`. */
export function durationText(seconds: number): string {
  if (seconds > 0 && seconds < 0.999_5e-6) return `${Number((seconds * 1e9).toPrecision(3))} ns`;
  if (seconds > 0 && seconds < 0.999_5e-3) return `${Number((seconds * 1e6).toPrecision(3))} µs`;
  if (seconds < 0.999_5) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  if (seconds < 59.995) return `${Number(seconds.toPrecision(4))} s`;
  const wholeSeconds = Math.round(seconds);
  const minutes = Math.floor(wholeSeconds / 60);
  if (minutes < 60) return `${minutes} min ${wholeSeconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
