import { blobStoreContract } from '#test/contract/blob-store.contract.ts';
import { MemoryBlobStore } from './fakes/memory-blob-store.ts';

blobStoreContract("the simulator's", async () => ({
  store: new MemoryBlobStore(() => new Date()),
  accounts: ['memory1', 'memory2'],
}));
