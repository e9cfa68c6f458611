import { z } from 'zod';
import { sentenceOf } from './messages.ts';
import { Vehicle } from './vocabulary.ts';

/** The file that makes a folder in Landing a measurement. */
export const MANIFEST_FILE_NAME = 'manifest.json';

/** A manifest of 100,000 files is about 20 MB; nothing larger is read. */
export const MANIFEST_SIZE_BYTES_MAX = 64 * 1024 * 1024;

const RelativePath = z
  .string()
  .min(1)
  .max(1024)
  .refine((path) => !path.startsWith('/') && !/^[A-Za-z]:/.test(path) && !path.includes('\\'), {
    error: 'must be relative to the folder, with forward slashes (not absolute, no drive, no backslash)',
  })
  .refine((path) => path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'), {
    error: "must not contain '..', '.' or empty parts",
  })
  .refine((path) => path !== MANIFEST_FILE_NAME, { error: 'must not list the manifest itself' });

const hex = (digits: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${digits}}$`))
    .toLowerCase();

export const ManifestFile = z
  .object({
    path: RelativePath,
    /** A file is at most 190.7 TiB (block blob: 50,000 blocks of 4,000 MiB). */
    sizeBytes: z
      .int()
      .nonnegative()
      .max(50_000 * 4000 * 1024 * 1024),
    sha256: hex(64).optional(),
    md5: hex(32).optional(),
    crc64: hex(16).optional(),
    format: z.enum(['mdf4', 'tdms', 'rosbag', 'mcap', 'rosbag2', 'other']).optional(),
    sensors: z.array(z.string()).optional(),
  })
  .refine((file) => file.sha256 !== undefined || file.md5 !== undefined || file.crc64 !== undefined, {
    error: 'needs a checksum: sha256, md5 or crc64',
  });
export type ManifestFile = z.infer<typeof ManifestFile>;

export const Manifest = z
  .object({
    schemaVersion: z.literal(1),
    fleet: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/),
    recordingId: z.string().min(1).max(256),
    vehicle: Vehicle,
    startTime: z.iso.datetime({ offset: true }).optional(),
    files: z.array(ManifestFile).min(1).max(100_000),
    expected: z
      .object({
        topics: z.array(z.string()).optional(),
        minDurationSeconds: z.number().nonnegative().optional(),
      })
      .optional(),
    tags: z.record(z.string(), z.string()).optional(),
  })
  .superRefine((manifest, context) => {
    const seen = new Set<string>();
    manifest.files.forEach((file, index) => {
      if (seen.has(file.path)) {
        context.addIssue({
          code: 'custom',
          path: ['files', index, 'path'],
          message: `${file.path} is listed twice`,
        });
      }
      seen.add(file.path);
    });
  });
export type Manifest = z.infer<typeof Manifest>;

export type ParsedManifest =
  | { readonly ok: true; readonly manifest: Manifest }
  /** A sentence that names the field and the rule. */
  | { readonly ok: false; readonly problem: string };

/** Reads the manifest's bytes; never throws on what they are. */
export function parseManifest(bytes: Uint8Array): ParsedManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) {
      return { ok: false, problem: `${MANIFEST_FILE_NAME} is not JSON in UTF-8: ${error.message}` };
    }
    throw error;
  }
  const parsed = Manifest.safeParse(value);
  if (!parsed.success) return { ok: false, problem: `${MANIFEST_FILE_NAME}: ${sentenceOf(parsed.error)}` };
  return { ok: true, manifest: parsed.data };
}

/** The folder in Landing: one path segment; fleets other than the default have it in front, so that two fleets may use one name. */
export function landingFolderOf(fleet: string, recordingId: string): string {
  const name = fleet === 'default' ? recordingId : `${fleet}--${recordingId}`;
  return name.replaceAll(/[^A-Za-z0-9_.~-]/g, '_');
}
