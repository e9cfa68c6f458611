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
});
export type Measurement = z.infer<typeof Measurement>;
