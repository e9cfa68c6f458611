import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isUnfinished } from '#domain/data-stream-state.ts';
import type { Envelope } from '#domain/messages.ts';
import { STAGES } from '#domain/vocabulary.ts';
import { dueOf } from '#saga/ingestion-state.ts';
import {
  failedOf,
  isStageCommand,
  messageOf,
  receivedOf,
  recordingOf,
  rejectedOf,
  startedOf,
  succeededOf,
} from '#test/simulation/scripted-stage.ts';
import { Journey, NOON } from './given.ts';

/**
 * Goal: no order, repetition or mixture of messages breaks the saga's promises. Method: at each step one thing is said,
 * drawn from all that anybody could say by now: any answer to any command ever given, any request, any arrival.
 */
type Draw = { readonly what: number; readonly which: number; readonly number: number };

const WHAT: readonly ((journey: Journey, draw: Draw) => Envelope | undefined)[] = [
  (journey, { number }) => receivedOf(journey.recording, `files-${number}`, NOON),
  (journey, { number }) => {
    const { recordingId } = journey.recording;
    return receivedOf(
      recordingOf(recordingId, { manifestSha256: String(number).repeat(64) }),
      `other-${number}`,
      NOON,
    );
  },
  answering((command) => startedOf(command, NOON)),
  answering((command) => succeededOf(command, NOON)),
  answering((command) => succeededOf(command, NOON)),
  answering((command) => succeededOf(command, NOON, 'skipped')),
  answering((command, { number }) => failedOf(command, number > 1, NOON)),
  answering((command) => rejectedOf(command, NOON)),
  (journey) => journey.said.findLast((message) => message.destination.name === 'saga')?.envelope,
  ({ measurementId }, { number }) =>
    messageOf(
      'landfall.measurement.cancel.v1',
      { measurementId, actor: 'ann', reason: 'no' },
      { identity: [number], time: NOON },
    ),
  ({ measurementId }, { number, which }) => {
    const fromStage = STAGES[which % STAGES.length]!;
    const data = { measurementId, fromStage, actor: 'ann', reason: 'again' };
    return messageOf('landfall.measurement.rerun.v1', data, { identity: [number, fromStage], time: NOON });
  },
  ({ measurementId }, { number }) => {
    const data = { measurementId, priority: 'High', actor: 'ann', reason: 'again' } as const;
    return messageOf('landfall.measurement.rehydrate.v1', data, { identity: [number], time: NOON });
  },
];

function answering(answer: (command: Parameters<typeof startedOf>[0], draw: Draw) => Envelope) {
  return (journey: Journey, draw: Draw): Envelope | undefined => {
    const commands = journey.said.map((message) => message.envelope).filter(isStageCommand);
    // Mostly the last one: else little would ever be reached.
    const command = draw.which % 4 > 0 ? commands.at(-1) : commands[draw.which % commands.length];
    return command === undefined ? undefined : answer(command, draw);
  };
}

function assertSane(journey: Journey): void {
  const { state } = journey;
  const running = STAGES.filter((stage) => state.stages[stage].state === 'Running');
  const isGoing = state.state === 'Running' || state.state === 'Waiting';
  assert.equal(running.length, isGoing ? 1 : 0, `${state.state} with ${running.join()} running`);
  assert.equal(
    dueOf(state) !== undefined,
    isGoing || state.state === 'Rehydrating',
    'what goes on has a deadline',
  );
  const stage = running[0];
  if (stage !== undefined) {
    const undone = STAGES.slice(0, STAGES.indexOf(stage)).filter(
      (earlier) => !['Succeeded', 'Skipped'].includes(state.stages[earlier].state),
    );
    assert.deepEqual(undone, [], `${stage} runs before ${undone.join()}`);
  }
  if (state.state === 'Shared') {
    const open = Object.values(state.dataStreams).filter((dataStream) => isUnfinished(dataStream.state));
    assert.deepEqual(open, [], 'nothing is left half done');
  }
  const sequences = journey.said.map((message) => message.envelope.sequence);
  assert.deepEqual(sequences, sequences.toSorted(), 'sequence numbers rise');
  const commands = journey.said.map((message) => message.envelope).filter(isStageCommand);
  assert.equal(
    new Set(commands.map((command) => command.id)).size,
    commands.length,
    'no command is given twice',
  );
}

describe('ingestion saga, whatever is said in whatever order', () => {
  it('keeps its promises', () => {
    const draw = fc.record({
      what: fc.nat({ max: WHAT.length - 1 }),
      which: fc.nat({ max: 40 }),
      number: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(draw, { maxLength: 60, size: 'max' }), (draws) => {
        const journey = new Journey();
        for (const one of [{ what: 0, which: 0, number: 1 }, ...draws]) {
          const message = WHAT[one.what]?.(journey, one);
          if (message === undefined) continue;
          journey.tell(message);
          assertSane(journey);
        }
      }),
      { numRuns: 300 },
    );
  });
});
