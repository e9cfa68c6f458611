import type { WireRules } from './wire-layout.ts';

/**
 * Messages under way: every step of the layout is done for all of them before the next, which keeps each loop
 * small, free of calls and free of objects. Invariant: `cursors[i] <= ends[i]`.
 */
export interface MessageBatch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly rules: WireRules;
  readonly count: number;
  readonly cursors: Uint32Array;
  readonly ends: Uint32Array;
  /** Where alignment counts from. */
  readonly origins: Uint32Array;
}
