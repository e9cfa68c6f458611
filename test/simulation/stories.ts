import { dataStreamIdOf } from '#domain/identity.ts';
import type { Stage } from '#domain/vocabulary.ts';
import type { IngestionState } from '#saga/ingestion-state.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What a stage does with a command. `silent`: it never answers. */
export type StageVerdict =
  | 'succeeded'
  | 'partial'
  | 'skipped'
  | 'fails'
  | 'fails-for-good'
  | 'rejects'
  | 'silent';

export type StoryAction =
  | { readonly kind: 'upload'; readonly version: number }
  | { readonly kind: 'touch'; readonly content?: string }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'rerun'; readonly fromStage: Stage }
  | { readonly kind: 'rehydrate' };

/** What happens to one measurement from outside, and how it must end. */
export interface Story {
  readonly name: string;
  /** How a stage answers; everything succeeds where this says nothing. */
  readonly verdict: (stage: Stage, generation: number, attempt: number) => StageVerdict | undefined;
  /** Whether the first file has the right bytes; it always has where this says nothing. */
  readonly isRight?: (content: string) => boolean;
  /** Done once each, in order, when the measurement has come so far. */
  readonly actions: readonly {
    readonly when: (state: IngestionState) => boolean;
    readonly action: StoryAction;
  }[];
  /** Whether this rehydration comes to nothing, for good. */
  readonly restoreFails?: (number: number) => boolean;
  readonly isOver: (state: IngestionState) => boolean;
}

const succeeds = () => undefined;
const isShared = (generation: number) => (state: IngestionState) =>
  state.state === 'Shared' && state.generation === generation;

const isSharedAtLast = (state: IngestionState) => state.state === 'Shared';
const isRejected = (state: IngestionState) => state.state === 'Rejected';
const isRejectedAgain = (state: IngestionState) =>
  isRejected(state) && (state.generation > 1 || state.stages.validate.attempt > 1);
/** The order to bring files back died, of more faults than it has lives. */
const isBackInVain = (state: IngestionState) => state.lastRefusal?.request === 'rehydrate';

function storyTelling(name: string, more: Partial<Story>): Story {
  return { name, verdict: succeeds, actions: [], isOver: isShared(1), ...more };
}

const PLAIN = storyTelling('plain', {});

const STORIES: readonly Story[] = [
  storyTelling('a stage fails once', {
    verdict: (stage, _, attempt) => (stage === 'extract' && attempt === 1 ? 'fails' : undefined),
  }),
  storyTelling('a stage fails for good', {
    verdict: (stage) => (stage === 'enrich' ? 'fails-for-good' : undefined),
    isOver: (state) => state.state === 'Failed',
  }),
  storyTelling('a stage keeps silent once', {
    verdict: (stage, _, attempt) => (stage === 'sync' && attempt === 1 ? 'silent' : undefined),
  }),
  storyTelling('lossy and skipped', {
    verdict: (stage) => (stage === 'extract' ? 'partial' : stage === 'sync' ? 'skipped' : undefined),
    isOver: (state) =>
      isShared(1)(state) &&
      state.dataStreams[dataStreamIdOf(state.measurementId, 1, 'extracted')]?.state === 'PartiallyCompleted',
  }),
  storyTelling('rejected, then corrected', {
    verdict: (stage, _, attempt) => (stage === 'validate' && attempt === 1 ? 'rejects' : undefined),
    actions: [
      {
        when: (state) => state.state === 'Rejected' && state.quarantine?.location !== undefined,
        action: { kind: 'upload', version: 2 },
      },
    ],
  }),
  storyTelling('corrected while the rejected files are moved away', {
    verdict: (stage, _, attempt) => (stage === 'validate' && attempt === 1 ? 'rejects' : undefined),
    actions: [{ when: (state) => state.state === 'Rejected', action: { kind: 'upload', version: 2 } }],
  }),
  storyTelling('one file is corrected while the rejected ones are moved away', {
    isRight: (content) => content === 'FRONT',
    actions: [{ when: isRejected, action: { kind: 'touch' } }],
    isOver: isSharedAtLast,
  }),
  storyTelling('one file is corrected after the rejected ones were moved away', {
    isRight: (content) => content === 'FRONT',
    actions: [
      {
        when: (state) => isRejected(state) && state.quarantine?.location !== undefined,
        action: { kind: 'touch' },
      },
    ],
    isOver: isSharedAtLast,
  }),
  storyTelling('one file is corrected twice, the first time wrongly', {
    isRight: (content) => content === 'FRONT',
    actions: [
      { when: isRejected, action: { kind: 'touch', content: 'fronT' } },
      {
        when: isRejectedAgain,
        action: { kind: 'touch' },
      },
    ],
    isOver: isSharedAtLast,
  }),
  storyTelling('one file is corrected again while the others come back', {
    isRight: (content) => content === 'FRONT',
    actions: [
      { when: isRejected, action: { kind: 'touch', content: 'fronT' } },
      { when: (state) => state.state === 'Rehydrating' || isRejectedAgain(state), action: { kind: 'touch' } },
    ],
    isOver: isSharedAtLast,
  }),
  storyTelling('rehydrated while a duplicate waits to be removed', {
    actions: [
      { when: isShared(1), action: { kind: 'upload', version: 1 } },
      { when: (state) => isShared(1)(state) && state.duplicateCount > 0, action: { kind: 'rehydrate' } },
    ],
    isOver: (state) => isShared(2)(state) || isBackInVain(state),
  }),
  storyTelling('corrected after it was shared', {
    actions: [{ when: isShared(1), action: { kind: 'upload', version: 2 } }],
    isOver: isShared(2),
  }),
  storyTelling('uploaded twice', {
    actions: [{ when: isShared(1), action: { kind: 'upload', version: 1 } }],
    isOver: (state) => isShared(1)(state) && state.duplicateCount === 1,
  }),
  storyTelling('a file changes while it is validated', {
    actions: [{ when: (state) => state.stages.validate.attempt === 1, action: { kind: 'touch' } }],
  }),
  storyTelling('cancelled', {
    actions: [{ when: (state) => state.stages.extract.state === 'Running', action: { kind: 'cancel' } }],
    isOver: (state) =>
      state.state === 'Cancelled' || (isShared(1)(state) && state.lastRefusal?.request === 'cancel'),
  }),
  storyTelling('run again from sync', {
    actions: [{ when: isShared(1), action: { kind: 'rerun', fromStage: 'sync' } }],
    isOver: isShared(2),
  }),
  storyTelling('rehydrated', {
    actions: [{ when: isShared(1), action: { kind: 'rehydrate' } }],
    isOver: isShared(2),
  }),
  storyTelling('rehydrated after a rehydration that came to nothing', {
    actions: [
      { when: isShared(1), action: { kind: 'rehydrate' } },
      {
        when: (state) => isShared(1)(state) && state.lastRefusal?.request === 'rehydrate',
        action: { kind: 'rehydrate' },
      },
    ],
    restoreFails: (number) => number === 1,
    isOver: isShared(2),
  }),
];

export function storyOf(random: SeededRandom): Story {
  return random.chance(0.4) ? PLAIN : random.pick(STORIES);
}
