// The emulators over https, which the SDKs ask for before they send a bearer token.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import tls from 'node:tls';
import { EventGridPublisherClient } from '@azure/eventgrid';
import {
  BlobSASPermissions,
  BlobServiceClient,
  generateBlobSASQueryParameters,
  SASProtocol,
} from '@azure/storage-blob';
import { startBatch } from '#emulators/batch/batch.ts';
import { startEventGrid } from '#emulators/event-grid/event-grid.ts';
import { type RunningStorage, startStorage } from '#emulators/storage/storage.ts';
import { selfSignedCertificate } from '#test/support/self-signed-certificate.ts';
import { BATCH_ACCOUNT } from './batch/batch-fixture.ts';
import { ACCOUNT_KEY, removeFolder, temporaryFolder } from './storage/storage-fixture.ts';

describe('emulators over https', () => {
  const folder = temporaryFolder();
  const certificates = tls.getCACertificates('default');
  const identity = selfSignedCertificate();

  before(() => tls.setDefaultCACertificates([...certificates, identity.cert]));
  after(() => {
    tls.setDefaultCACertificates(certificates);
    removeFolder(folder);
  });

  /** What a managed identity would give: Azurite reads the claims and does not check the signature. */
  const credential = {
    getToken: async (scope: string | string[]) => {
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        aud: 'https://storage.azure.com',
        iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000000/',
        iat: now - 60,
        nbf: now - 60,
        exp: now + 3600,
        oid: '11111111-1111-1111-1111-111111111111',
        tid: '00000000-0000-0000-0000-000000000000',
      };
      const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
      assert.ok(scope.length > 0);
      return {
        token: `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`,
        expiresOnTimestamp: (now + 3600) * 1000,
      };
    },
  };

  describe('storage', () => {
    let storage: RunningStorage;
    before(async () => {
      storage = await startStorage({
        accounts: [{ name: 'landing', key: ACCOUNT_KEY }],
        dataFolder: join(folder, 'storage'),
        tls: identity,
        oauth: true,
      });
    });
    after(() => storage.close());

    it('takes a bearer token, and signs shared access with a user delegation key', async () => {
      const service = new BlobServiceClient(`${storage.endpoint}/landing`, credential);
      const container = service.getContainerClient('recordings');
      await container.create();
      const blob = container.getBlockBlobClient('a.bin');
      await blob.upload('hello', 5);
      const startsOn = new Date(Date.now() - 60_000);
      const expiresOn = new Date(Date.now() + 600_000);
      const key = await service.getUserDelegationKey(startsOn, expiresOn);
      const sas = generateBlobSASQueryParameters(
        {
          containerName: 'recordings',
          blobName: 'a.bin',
          permissions: BlobSASPermissions.parse('r'),
          startsOn,
          expiresOn,
          protocol: SASProtocol.Https,
        },
        key,
        'landing',
      );
      const answer = await fetch(`${blob.url}?${sas}`);
      assert.equal(await answer.text(), 'hello');
      assert.equal((await fetch(blob.url)).status, 403);
    });

    it('refuses to take bearer tokens in clear', async () => {
      await assert.rejects(
        startStorage({ accounts: [], dataFolder: join(folder, 'clear'), oauth: true }),
        /https only/,
      );
    });
  });

  it('event grid takes events of a publisher with a bearer token', async () => {
    const eventGrid = await startEventGrid({
      configuration: { topics: [{ name: 'events', key: 'a2V5' }] },
      dataFolder: join(folder, 'event-grid'),
      tls: identity,
    });
    const publisher = new EventGridPublisherClient(
      eventGrid.topicEndpoint('events'),
      'CloudEvent',
      credential,
    );
    await publisher.send([{ id: 'one', type: 'landfall.test.v1', source: '/test', data: {} }]);
    const listed = await fetch(`${eventGrid.endpoint}/control/topics/events/events`);
    const { events } = (await listed.json()) as { events: { event: { id: string } }[] };
    assert.deepEqual(
      events.map(({ event }) => event.id),
      ['one'],
    );
    await eventGrid.close();
  });

  it('batch answers', async () => {
    const batch = await startBatch({
      account: BATCH_ACCOUNT,
      dataFolder: join(folder, 'batch'),
      tls: identity,
    });
    const answer = await fetch(`${batch.endpoint}/jobs?api-version=2022-10-01.16.0`, {
      headers: { authorization: 'Bearer token' },
    });
    assert.deepEqual(((await answer.json()) as { value: object[] }).value, []);
    await batch.close();
  });
});
