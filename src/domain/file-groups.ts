export interface GroupLimits {
  /** A group is closed once it holds this much. */
  readonly sizeBytesTarget: number;
  readonly filesMax: number;
}

/**
 * Files in their order, small ones together, so that 10,000 files do not become 10,000 processes and a large file
 * still has one of its own.
 */
export function groupFiles<File extends { readonly sizeBytes: number }>(
  files: readonly File[],
  limits: GroupLimits,
): File[][] {
  const groups: File[][] = [];
  let group: File[] = [];
  let sizeBytes = 0;
  for (const file of files) {
    const isFull = group.length >= limits.filesMax || sizeBytes + file.sizeBytes > limits.sizeBytesTarget;
    if (group.length > 0 && isFull) {
      groups.push(group);
      group = [];
      sizeBytes = 0;
    }
    group.push(file);
    sizeBytes += file.sizeBytes;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}
