import { z } from 'zod';

/** What one reader did with one file. */
export const Measurement = z.object({
  seconds: z.number(),
  /** Of all threads. */
  cpuSeconds: z.number(),
  rows: z.number(),
  values: z.number(),
  /** How much of the file was read before the time for it was over; 1 = all. */
  share: z.number(),
  peakRssBytes: z.number(),
  /** How long the event loop was held up: at most, and in 99 of 100 turns. Of Node only. */
  loopDelayMsMax: z.number().optional(),
  loopDelayMsP99: z.number().optional(),
});
export type Measurement = z.infer<typeof Measurement>;
