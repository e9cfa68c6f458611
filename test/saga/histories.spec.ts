import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { parseMessage } from '#domain/messages.ts';
import { decide, isSagaInput } from '#saga/ingestion.ts';
import { evolve, type IngestionState, initialState, type SagaEvent } from '#saga/ingestion-state.ts';

/**
 * Goal: a measurement that an older release started goes on under this one. Method: histories recorded at each
 * release (scripts/record-histories.ts) are replayed by the newest code. A decision that is meant to change gets a
 * new version of the stage graph or of the state's schema; the old files stay, and stay green. A newer release may
 * write down more of a decision.
 */
interface History {
  readonly release: string;
  readonly story: string;
  readonly state: IngestionState;
}

interface HistoryRecord {
  readonly version: number;
  readonly at: string;
  readonly input: unknown;
  readonly events: readonly SagaEvent[];
}

function readHistory(path: string) {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  return {
    history: JSON.parse(head) as History,
    records: lines.map((line) => JSON.parse(line) as HistoryRecord),
  };
}

function stateBefore({ state }: History): IngestionState {
  const { measurementId, fleet, region } = state;
  return initialState({ measurementId, fleet, region });
}

describe('recorded histories', () => {
  const paths = globSync('test/saga/histories/*.jsonl');

  it('are there', () => assert.ok(paths.length >= 6));

  for (const path of paths) {
    const { history, records } = readHistory(path);
    describe(`${history.release}: ${history.story}`, () => {
      it('leads to the state it led to then', () => {
        let state = stateBefore(history);
        for (const { events, version } of records) state = events.reduce(evolve, { ...state, version });
        assert.deepEqual(JSON.parse(JSON.stringify(state)), history.state);
      });

      it('is decided as it was decided then', () => {
        let state = stateBefore(history);
        for (const { input, at, events, version } of records) {
          const parsed = parseMessage(input);
          assert.ok(
            parsed.ok && isSagaInput(parsed.envelope),
            `version ${version}: the input is not readable`,
          );
          const decided = decide(state, parsed.envelope, new Date(at));
          assert.equal(decided.length, events.length, `version ${version}`);
          assert.partialDeepStrictEqual(JSON.parse(JSON.stringify(decided)), events, `version ${version}`);
          state = decided.reduce(evolve, { ...state, version });
        }
      });
    });
  }
});
