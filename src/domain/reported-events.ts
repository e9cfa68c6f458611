/**
 * The custom events that queries, alerts and metrics are made of, with their dimensions and numbers. Other events may
 * be said freely; what somebody counts on stands here, so that a renamed dimension is a type error and not an alert
 * that stays silent.
 */
export const REPORTED_EVENTS = {
  /** The saga has seen a stage end, well or not. */
  'stage ended': {
    dimensions: ['measurementId', 'fleet', 'generation', 'input', 'stage', 'outcome'],
    numbers: ['durationMs'],
  },
  /** A stage's tasks have ended well and were judged: what they made of the measurement. */
  'stage.concluded': {
    dimensions: ['measurementId', 'fleet', 'generation', 'stage', 'attempt'],
    numbers: [
      'durationMs',
      'taskCount',
      'taskMs',
      'outputFileCount',
      // With what was copied into Raw and Archive, whose files no task lists as its results.
      'outputBytes',
      'outputRows',
      'lostRecords',
      'lostBytes',
      'costEstimate',
    ],
  },
  'measurement changed': {
    dimensions: ['measurementId', 'fleet', 'generation', 'input', 'state'],
    numbers: [],
  },
  'task.ended': {
    dimensions: ['taskId', 'measurementId', 'stage', 'attempt', 'image'],
    numbers: ['total', 'outputBytes', 'outputRows', 'lostRecords'],
  },
  'task.failed': {
    dimensions: ['taskId', 'measurementId', 'stage', 'attempt', 'image', 'code', 'message'],
    numbers: [],
  },
  'dead letter': { dimensions: ['queue', 'reason', 'messageType'], numbers: [] },
} as const satisfies Readonly<
  Record<string, { readonly dimensions: readonly string[]; readonly numbers: readonly string[] }>
>;

export type ReportedEvent = keyof typeof REPORTED_EVENTS;

type Dimensions<Name extends ReportedEvent> = Readonly<
  Record<(typeof REPORTED_EVENTS)[Name]['dimensions'][number], string | number | boolean>
>;
type Numbers<Name extends ReportedEvent> = Readonly<
  Record<(typeof REPORTED_EVENTS)[Name]['numbers'][number], number>
>;

/** Whoever takes events; the port Telemetry. */
interface Reporter {
  event(
    name: string,
    dimensions: Readonly<Record<string, string | number | boolean>>,
    numbers: Readonly<Record<string, number>>,
  ): void;
}

/** Says an event that somebody counts on. `more`: numbers that only this event has, such as timings of its parts. */
export function report<Name extends ReportedEvent>(
  telemetry: Reporter,
  name: Name,
  dimensions: Dimensions<Name>,
  numbers: Numbers<Name>,
  more: Readonly<Record<string, number>> = {},
): void {
  telemetry.event(name, dimensions, { ...more, ...numbers });
}

/** A number of an event or a span, added up over time by some of its dimensions. */
export interface Metric {
  readonly name: string;
  readonly unit: 'ms' | 'By' | 'rows' | 'records' | 'USD';
  /** The number's name in the event, or the attribute's in the span. */
  readonly from: string;
  readonly dimensions: readonly string[];
}

const PER_STAGE = ['stage', 'fleet', 'measurementId'] as const;

/**
 * Metrics are made of what events say, where they leave for Application Insights: one number, said once. Names and
 * units as OpenTelemetry writes them (UCUM for units).
 */
export const METRICS_OF_EVENTS: Readonly<Partial<Record<ReportedEvent, readonly Metric[]>>> = {
  'stage ended': [
    {
      name: 'landfall.stage.duration',
      unit: 'ms',
      from: 'durationMs',
      dimensions: [...PER_STAGE, 'outcome'],
    },
  ],
  'stage.concluded': [
    { name: 'landfall.stage.task_time', unit: 'ms', from: 'taskMs', dimensions: PER_STAGE },
    { name: 'landfall.stage.output', unit: 'By', from: 'outputBytes', dimensions: PER_STAGE },
    { name: 'landfall.stage.rows', unit: 'rows', from: 'outputRows', dimensions: PER_STAGE },
    { name: 'landfall.stage.lost_records', unit: 'records', from: 'lostRecords', dimensions: PER_STAGE },
    { name: 'landfall.stage.cost_estimate', unit: 'USD', from: 'costEstimate', dimensions: PER_STAGE },
  ],
  'task.ended': [
    { name: 'landfall.task.duration', unit: 'ms', from: 'total', dimensions: ['image', 'stage'] },
  ],
};

/** Said by every span that consumes a message: how long the message lay in its queue. */
export const QUEUE_AGE: Metric = {
  name: 'landfall.queue.age',
  unit: 'ms',
  from: 'queueAgeMs',
  dimensions: ['queue'],
};
