// Resource ids (`_rid`): clients of the .NET family take them apart and address containers by them.
// Source: ResourceId of the public Azure/azure-cosmos-dotnet-v3 repository.

function base64Of(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('/', '-');
}

/** 4 bytes. */
export function databaseResourceId(number: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return base64Of(bytes);
}

/** 8 bytes: the database's, then 4 whose first bit says "container" and not "user". */
export function containerResourceId(databaseNumber: number, number: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(databaseNumber);
  bytes.writeUInt32BE((number | 0x8000_0000) >>> 0, 4);
  return base64Of(bytes);
}

/** 16 bytes: the container's, then a little-endian counter whose top four bits, the kind of resource, are 0. */
export function documentResourceId(containerId: string, number: number): string {
  const bytes = Buffer.alloc(16);
  Buffer.from(containerId.replaceAll('-', '/'), 'base64').copy(bytes);
  bytes.writeBigUInt64LE(BigInt(number), 8);
  return base64Of(bytes);
}

/** The counter in a document's resource id, or undefined when the text is no such id. */
export function documentNumberOf(resourceId: string): number | undefined {
  const bytes = Buffer.from(resourceId.replaceAll('-', '/'), 'base64');
  return bytes.length === 16 ? Number(bytes.readBigUInt64LE(8)) : undefined;
}
