// Version and times that every document of Batch carries.
import { randomUUID } from 'node:crypto';

/** The document has changed; with a state that is not its own, so has its state. */
export function touch<State extends string>(
  document: {
    state: State;
    eTag: string;
    lastModified: string;
    stateTransitionTime: string;
    previousState?: string;
    previousStateTransitionTime?: string;
  },
  state?: State,
): void {
  const now = new Date().toISOString();
  document.eTag = newETag();
  document.lastModified = now;
  if (state === undefined || state === document.state) return;
  document.previousState = document.state;
  document.previousStateTransitionTime = document.stateTransitionTime;
  document.state = state;
  document.stateTransitionTime = now;
}

export function newETag(): string {
  return `0x${randomUUID().replaceAll('-', '').slice(0, 15).toUpperCase()}`;
}
