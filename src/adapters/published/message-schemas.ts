import { z } from 'zod';
import { EnvelopeAttributes, MESSAGES, schemaAddressOf } from '#domain/messages.ts';

/** JSON Schema (draft 2020-12) of each message type, envelope included, as other teams validate it. */
export function messageSchemas(): ReadonlyMap<string, object> {
  return new Map(
    MESSAGES.map((message) => {
      const envelope = EnvelopeAttributes.extend({ type: z.literal(message.type), data: message.data });
      const schema = z.toJSONSchema(envelope, { target: 'draft-2020-12', io: 'input' });
      return [
        message.type,
        { ...schema, $id: schemaAddressOf(message.type), title: message.type, description: message.summary },
      ];
    }),
  );
}
