/**
 * What a message looks like, whatever language its definition was written in: a tree of named fields, with all
 * references resolved. The wire rules (ROS 1, CDR) are no part of it.
 */
export interface MessageType {
  /** As the recorder names it: `sensor_msgs/Imu`, `geometry_msgs/msg/Point`. */
  readonly name: string;
  readonly fields: readonly MessageField[];
  /** Declared as never to be extended: XCDR2 then writes no byte count before it. */
  readonly isFinal?: boolean;
}

export interface MessageField {
  readonly name: string;
  readonly type: FieldType;
  /** The comment behind the field, where the definition has one on the same line. */
  readonly description?: string;
}

export type FieldType =
  | { readonly kind: 'primitive'; readonly primitive: Primitive }
  | { readonly kind: 'message'; readonly message: MessageType }
  /** `length` is present in arrays of fixed length, absent in sequences. */
  | { readonly kind: 'list'; readonly element: FieldType; readonly length?: number };

export type Primitive =
  | 'bool'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64'
  | 'string'
  /** Seconds and nanoseconds, 4 bytes each. */
  | 'time'
  | 'duration';

/** Bytes of a primitive on the wire; strings have none of their own. */
export const PRIMITIVE_SIZE_BYTES: Readonly<Record<Exclude<Primitive, 'string'>, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8,
  time: 8,
  duration: 8,
};

/** A message definition that cannot be understood. Readers then hand the message out as raw bytes and say so. */
export class MessageDefinitionError extends Error {
  override readonly name = 'MessageDefinitionError';
}
