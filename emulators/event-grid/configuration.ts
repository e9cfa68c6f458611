// What exists in the emulated Event Grid: topics, system topics of storage accounts, and who subscribes to them.
import { z } from 'zod';

const AdvancedFilterSchema = z.discriminatedUnion('operatorType', [
  z.strictObject({
    operatorType: z.enum(['StringIn', 'StringNotIn', 'StringBeginsWith', 'StringEndsWith', 'StringContains']),
    /** A field of the event, parts separated by dots: `data.api`. */
    key: z.string().min(1),
    values: z.array(z.string()).min(1),
  }),
  z.strictObject({
    operatorType: z.enum(['NumberIn', 'NumberNotIn']),
    key: z.string().min(1),
    values: z.array(z.number()).min(1),
  }),
  z.strictObject({
    operatorType: z.enum([
      'NumberGreaterThan',
      'NumberGreaterThanOrEquals',
      'NumberLessThan',
      'NumberLessThanOrEquals',
    ]),
    key: z.string().min(1),
    value: z.number(),
  }),
  z.strictObject({ operatorType: z.literal('BoolEquals'), key: z.string().min(1), value: z.boolean() }),
]);

const DestinationSchema = z.union([
  z.strictObject({ serviceBusQueue: z.string().min(1) }),
  z.strictObject({ serviceBusTopic: z.string().min(1) }),
]);

const SubscriptionSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9-]{3,64}$/, 'must be 3 to 64 letters, digits and hyphens'),
  schema: z.enum(['EventGridSchema', 'CloudEventSchemaV1_0']).default('EventGridSchema'),
  /** All types when absent. */
  includedEventTypes: z.array(z.string()).min(1).optional(),
  /** Subjects are compared without regard to case, as Event Grid does by default. */
  subjectBeginsWith: z.string().optional(),
  subjectEndsWith: z.string().optional(),
  /** All of them must fit. */
  advancedFilters: z.array(AdvancedFilterSchema).max(25).optional(),
  destination: DestinationSchema,
  retry: z
    .strictObject({
      maxDeliveryAttempts: z.number().int().min(1).max(30).default(30),
      eventTimeToLiveMinutes: z.number().int().min(1).max(1440).default(1440),
    })
    .prefault({}),
  deadLetter: z.strictObject({ account: z.string().min(3), container: z.string().min(3) }).optional(),
});

/** The configuration file. Names are unique; a storage account has one system topic. */
export const ConfigurationSchema = z.strictObject({
  topics: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9-]{3,50}$/, 'must be 3 to 50 letters, digits and hyphens'),
        /** Base64. */
        key: z.base64(),
        subscriptions: z.array(SubscriptionSchema).default([]),
      }),
    )
    .default([]),
  systemTopics: z
    .array(
      z.strictObject({ account: z.string().min(3), subscriptions: z.array(SubscriptionSchema).default([]) }),
    )
    .default([]),
});

export type AdvancedFilter = z.output<typeof AdvancedFilterSchema>;
export type Subscription = z.output<typeof SubscriptionSchema>;
export type Configuration = z.output<typeof ConfigurationSchema>;
/** The configuration as it is written: what has a default may be left out. */
export type ConfigurationInput = z.input<typeof ConfigurationSchema>;
