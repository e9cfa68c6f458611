import { type HeaderFields, headerFields, textField, uint32Field } from './record.ts';

/** One publisher of one topic, as the bag describes it. */
export interface Connection {
  readonly id: number;
  readonly topic: string;
  readonly type: string;
  readonly md5sum: string;
  readonly definition: string;
}

/** A connection record: the header names it, the data describe it. Undefined when either cannot be read. */
export function connectionOf(fields: HeaderFields, data: Uint8Array): Connection | undefined {
  const id = uint32Field(fields, 'conn');
  const described = headerFields(data, 0, data.length);
  if (id === undefined || described === undefined) return undefined;
  return {
    id,
    topic: textField(fields, 'topic') || textField(described, 'topic'),
    type: textField(described, 'type'),
    md5sum: textField(described, 'md5sum'),
    definition: textField(described, 'message_definition'),
  };
}
