import type { ColumnBatch, ColumnSchema, ColumnType, LossCounter } from '../recording-reader.ts';
import type { Run } from './channel-cursor.ts';
import { type StoredKind, scalersOf } from './chunk-layout.ts';
import { isNumberKind, type NumberKind, type ValueKind } from './data-types.ts';
import type { LoadedBytes } from './planned-bytes.ts';
import {
  asFloat64,
  complexPartOf,
  type Decoded,
  type NumberValues,
  numbersOf,
  storedNumbersOf,
  textsOf,
  timestampsOf,
} from './run-values.ts';
import { type Scaling, scalingOf } from './scaling.ts';
import { ScaleError } from './sensor-scales.ts';
import type { Channel, Properties } from './structure.ts';

/** The stored values of one channel for the rows of a batch. */
export interface ChannelRows {
  readonly runs: readonly Run[];
  readonly loaded: LoadedBytes;
  /** Of a channel of texts, one per row. */
  readonly texts: readonly (Uint8Array | undefined)[];
}

export interface ColumnPlan {
  readonly channel: Channel;
  readonly schema: ColumnSchema;
  decode(rows: ChannelRows): ColumnBatch;
}

/**
 * The columns of a channel: one, except for complex numbers (`<name>.re`, `<name>.im`) and DAQmx channels with
 * several scalers and no scale (`<name>.scaler<id>`). Scaled values are float64; without a scale values stay as they
 * are stored. A channel without values has no column.
 */
export function columnsOf(channel: Channel, outer: readonly Properties[], loss: LossCounter): ColumnPlan[] {
  const [first, ...others] = channel.storedKinds;
  if (first === undefined) return [];
  const shape = shapeOf(first);
  if (others.some((kind) => shapeOf(kind) !== shape)) {
    const kinds = [...channel.storedKinds].join(', ');
    loss.add(0, 0, `${channel.group}/${channel.name} changes its type (${kinds}): only ${first} is read`);
  }
  const plan = (
    suffix: string,
    type: ColumnType,
    decode: ColumnPlan['decode'],
    source: string,
  ): ColumnPlan => ({
    channel,
    schema: schemaOf(channel, suffix, type, source),
    decode,
  });
  switch (shape) {
    case 'string':
      return [plan('', 'string', ({ texts }) => textsOf(texts), first)];
    case 'timestamp':
      return [plan('', 'timestamp', ({ runs, loaded }) => timestampsOf(runs, loaded), first)];
    case 'complex':
      return [
        plan('.re', 'float64', ({ runs, loaded }) => complexPartOf(runs, loaded, 0), first),
        plan('.im', 'float64', ({ runs, loaded }) => complexPartOf(runs, loaded, 1), first),
      ];
    case 'number':
      return numberColumns(channel, scalingOrNone(channel, outer, loss), plan);
  }
}

type Shape = 'string' | 'timestamp' | 'complex' | 'number';

function shapeOf(kind: StoredKind): Shape {
  if (kind === 'complex64' || kind === 'complex128') return 'complex';
  if (kind === 'string' || kind === 'timestamp') return kind;
  return scalersOf(kind)[0]?.kind === 'timestamp' ? 'timestamp' : 'number';
}

/** A scale that cannot be applied leaves raw values, and says so. */
function scalingOrNone(
  channel: Channel,
  outer: readonly Properties[],
  loss: LossCounter,
): Scaling | undefined {
  try {
    return scalingOf([channel.properties, ...outer]);
  } catch (error) {
    if (!(error instanceof ScaleError)) throw error;
    loss.add(0, 0, `${channel.group}/${channel.name} is left as raw values: ${error.message}`);
    return undefined;
  }
}

function numberColumns(
  channel: Channel,
  scaling: Scaling | undefined,
  plan: (suffix: string, type: ColumnType, decode: ColumnPlan['decode'], source: string) => ColumnPlan,
): ColumnPlan[] {
  const kinds = [...channel.storedKinds];
  const stored = kinds.join(', ');
  if (scaling !== undefined) {
    return [plan('', 'float64', (rows) => scaled(rows, scaling), `${stored}; ${scaling.text}`)];
  }
  const scalers = kinds.length === 1 ? scalersOf(kinds[0]!) : [];
  if (scalers.length > 1) {
    return scalers.flatMap(({ scaleId, kind }) =>
      kind === 'timestamp'
        ? []
        : [
            plan(
              `.scaler${scaleId}`,
              kind,
              ({ runs, loaded }) => numbersOf(runs, loaded, kind, scaleId),
              stored,
            ),
          ],
    );
  }
  const kind = kinds.length > 1 ? 'float64' : numberKindOf(scalers[0]?.kind ?? (kinds[0] as ValueKind));
  return [plan('', kind, ({ runs, loaded }) => storedNumbersOf(runs, loaded, kind), stored)];
}

function numberKindOf(kind: ValueKind): NumberKind {
  return isNumberKind(kind) ? kind : 'float64';
}

function scaled({ runs, loaded }: ChannelRows, scaling: Scaling): ColumnBatch {
  let validity: Uint8Array | undefined;
  const taken = (decoded: Decoded<NumberValues>) => {
    validity ??= decoded.validity;
    return asFloat64(decoded.values);
  };
  const values = scaling.apply({
    plain: () => taken(numbersOf(runs, loaded, 'float64', undefined)),
    scaler: (scaleId) => taken(numbersOf(runs, loaded, 'float64', scaleId)),
  });
  return validity === undefined ? { values } : { values, validity };
}

function schemaOf(channel: Channel, suffix: string, type: ColumnType, source: string): ColumnSchema {
  const unit = textOf(channel.properties, 'unit_string');
  const description = textOf(channel.properties, 'description');
  return {
    name: `${channel.name}${suffix}`,
    type,
    ...(unit === '' ? {} : { unit }),
    ...(description === '' ? {} : { description }),
    source,
  };
}

export function textOf(properties: Properties, name: string): string {
  const property = properties.get(name);
  return property?.kind === 'text' ? property.value : '';
}
