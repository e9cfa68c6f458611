import { z } from 'zod';
import { LedgerFile } from '../block-ledger.ts';
import { TaskConfiguration } from '../task-configuration.ts';
import { BlobLocation } from '../vocabulary.ts';

/** What `landfall/validate` is told: files of one folder in Landing, each pinned to a version. */
export const ValidateTask = TaskConfiguration.extend({
  folder: BlobLocation,
  files: z
    .array(
      z.object({
        path: z.string(),
        sizeBytes: z.int().nonnegative(),
        eTag: z.string(),
        sha256: z.string().optional(),
        md5: z.string().optional(),
        /** CRC-64/NVME, the polynomial of Azure Storage, as 16 hexadecimal digits, most significant first. */
        crc64: z.string().optional(),
        /** What the manifest says it is. */
        format: z.string().optional(),
      }),
    )
    .min(1),
});
export type ValidateTask = z.infer<typeof ValidateTask>;

/** What was found in one file. A file with a problem has no place in the ledger. */
export const FileFinding = z.object({
  path: z.string(),
  ledger: LedgerFile.optional(),
  problem: z
    .object({
      code: z.enum([
        'file-checksum-mismatch',
        'file-size-mismatch',
        'file-unreadable',
        'file-missing',
        'file-changed',
      ]),
      /** A sentence: which file, which rule, what to do. */
      message: z.string(),
    })
    .optional(),
});
export type FileFinding = z.infer<typeof FileFinding>;

/** `facts` in the result of a validation task. */
export const ValidateFacts = z.object({ findings: z.array(FileFinding) });
export type ValidateFacts = z.infer<typeof ValidateFacts>;
