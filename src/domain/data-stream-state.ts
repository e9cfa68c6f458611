import type { DataStreamState } from './vocabulary.ts';

/** Which state may follow which. A data stream that is superseded stays so; its successor has its own id. */
const FOLLOWERS: Readonly<Record<DataStreamState, readonly DataStreamState[]>> = {
  Created: ['StartCopy', 'Processing', 'Completed', 'PartiallyCompleted', 'Failed', 'Superseded'],
  StartCopy: ['CopyComplete', 'Failed', 'Superseded'],
  CopyComplete: ['Processing', 'Completed', 'PartiallyCompleted', 'Failed', 'Superseded'],
  Processing: ['Completed', 'PartiallyCompleted', 'Failed', 'Superseded'],
  Completed: ['Superseded'],
  PartiallyCompleted: ['Completed', 'Superseded'],
  Failed: ['Created', 'StartCopy', 'Processing', 'Superseded'],
  Superseded: [],
};

export function mayFollow(state: DataStreamState, next: DataStreamState): boolean {
  return FOLLOWERS[state].includes(next);
}

/** Whether somebody still works on it. */
export function isUnfinished(state: DataStreamState): boolean {
  return state === 'Created' || state === 'StartCopy' || state === 'CopyComplete' || state === 'Processing';
}
