import { evolve, type IngestionState, type SagaEvent } from './ingestion-state.ts';

type Unstamped<E> = E extends SagaEvent ? Omit<E, 'at'> : never;

/** One decision in the making: the events so far, and the state they have led to. */
export interface Course {
  readonly now: Date;
  /** Multiplies deadlines and pauses; 1 but where somebody cannot wait for hours. */
  readonly timeScale: number;
  /** Whether anything was known of the measurement before this input. */
  readonly isKnown: boolean;
  readonly state: IngestionState;
  readonly events: readonly SagaEvent[];
  emit(event: Unstamped<SagaEvent>): void;
}

export function openCourse(before: IngestionState, now: Date, timeScale: number): Course {
  const at = now.toISOString();
  const events: SagaEvent[] = [];
  let state = before;
  return {
    now,
    timeScale,
    isKnown: before.createdAt !== undefined,
    events,
    get state() {
      return state;
    },
    emit(unstamped) {
      const event = { ...unstamped, at } as SagaEvent;
      events.push(event);
      state = evolve(state, event);
    },
  };
}
