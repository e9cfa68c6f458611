import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { bearerTokens } from '#adapters/http/bearer-tokens.ts';
import { type MetadataOperations, metadataApi } from '#adapters/http/metadata-api.ts';

const ID = '0b0e3b0a-7a3f-5d0e-9a55-0c9e6a3f1c11';
const CLIENT_ID = '00000000-0000-0000-0000-000000000002';

/** A tenant that publishes its signing key, and signs what it is asked to. */
class Tenant {
  readonly #server: Server;
  readonly #keys: Awaited<ReturnType<typeof generateKeyPair>>;
  keySetStatus = 200;

  private constructor(keys: Awaited<ReturnType<typeof generateKeyPair>>, published: object) {
    this.#keys = keys;
    this.#server = createServer((request, response) => {
      const isKeySet = request.url === '/tenant/discovery/v2.0/keys';
      response.writeHead(isKeySet ? this.keySetStatus : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys: [published] }));
    });
  }

  static async start(): Promise<Tenant> {
    const keys = await generateKeyPair('RS256');
    const published = { ...(await exportJWK(keys.publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' };
    const tenant = new Tenant(keys, published);
    await new Promise<void>((resolve) => tenant.#server.listen(0, '127.0.0.1', resolve));
    return tenant;
  }

  get authority(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/tenant`;
  }

  token(
    roles: readonly string[],
    options: {
      audience?: string;
      issuer?: string;
      expires?: string;
      key?: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
    } = {},
  ): Promise<string> {
    return new SignJWT({ roles: [...roles], preferred_username: 'ada@example.com' })
      .setProtectedHeader({ alg: 'RS256', kid: 'key-1' })
      .setIssuedAt()
      .setIssuer(options.issuer ?? `${this.authority}/v2.0`)
      .setAudience(options.audience ?? CLIENT_ID)
      .setExpirationTime(options.expires ?? '1h')
      .sign(options.key ?? this.#keys.privateKey);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('access to the metadata API with tokens', () => {
  let tenant: Tenant;
  let asked: unknown[][];
  let ask: (method: string, path: string, token?: string, body?: unknown) => Promise<Response>;

  before(async () => {
    tenant = await Tenant.start();
  });
  after(() => tenant.stop());
  beforeEach(() => {
    asked = [];
    tenant.keySetStatus = 200;
    const note =
      <T>(name: string, answer: T) =>
      async (...given: unknown[]): Promise<T> => {
        asked.push([name, ...given]);
        return answer;
      };
    const operations = {
      list: note('list', []),
      lineage: note('lineage', { measurementId: ID, edges: [] }),
      status: note('status', undefined),
      steer: note('steer', undefined),
      fleetOf: async (id: string) => (id === ID ? 'north' : undefined),
      createMeasurement: note('create', { folder: { account: 'l', container: 'r', path: 'd/' } }),
      newRequestId: () => 'r1',
    } as unknown as MetadataOperations;
    const app = metadataApi(operations, bearerTokens({ authority: tenant.authority, clientId: CLIENT_ID }));
    ask = async (method, path, token, body) =>
      app.request(path, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
  });

  async function refused(answer: Response, status: number, detail: RegExp): Promise<void> {
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    const problem = (await answer.json()) as { title: string; detail: string };
    assert.match(problem.detail, detail);
    assert.deepEqual(asked, [], 'nothing was done');
    if (status !== 503) assert.equal(problem.title, 'access-denied');
    if (status === 401) assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  }

  it('is refused without a token, also to this machine, with how to get one', async () => {
    await refused(await ask('GET', '/measurements'), 401, /no bearer token.*az account get-access-token/);
  });

  it('is refused to tokens that are expired, or of another audience, tenant or key', async () => {
    const { privateKey } = await generateKeyPair('RS256');
    const roles = ['Measurements.Read', 'Fleet.All'];
    for (const [token, why] of [
      [await tenant.token(roles, { expires: '-10m' }), /"exp"/],
      [await tenant.token(roles, { audience: 'https://storage.azure.com' }), /"aud"/],
      [await tenant.token(roles, { issuer: 'https://login.microsoftonline.com/other/v2.0' }), /"iss"/],
      [await tenant.token(roles, { key: privateKey }), /signature/],
      [unsigned(await tenant.token(roles)), /"alg"|unsecured|Algorithm/i],
      ['no-token-at-all', /Invalid Compact JWS/],
    ] as const)
      await refused(await ask('GET', '/measurements', token), 401, why);
  });

  it('is refused with the name of the role that is missing, of the caller, and the remedy', async () => {
    const reader = await tenant.token(['Measurements.Read', 'Fleet.All']);
    const answer = await ask('POST', `/measurements/${ID}/cancel`, reader, { reason: 'r' });
    await refused(
      answer,
      403,
      /POST .*cancel needs the role Measurements.Write, which ada@example.com .*assign/,
    );
    await refused(await ask('POST', '/dead-letters/replay', reader, {}), 403, /Operations.Replay/);
  });

  it('is given by the role, and audits name the caller whatever the body says', async () => {
    const token = await tenant.token(['Measurements.Write', 'Fleet.north']);
    const answer = await ask('POST', `/measurements/${ID}/cancel`, token, { reason: 'r', actor: 'somebody' });
    assert.equal(answer.status, 202);
    const [, , data] = asked[0] ?? [];
    assert.equal((data as { actor: string }).actor, 'ada@example.com');
  });

  it('sees the measurements of its fleets and no others', async () => {
    const token = await tenant.token(['Measurements.Read', 'Fleet.south']);
    await refused(await ask('GET', `/measurements/${ID}/lineage`, token), 403, /role Fleet.north/);
    await refused(await ask('GET', '/measurements?fleet=north', token), 403, /role Fleet.north/);
    assert.equal((await ask('GET', '/measurements', token)).status, 200);
    assert.deepEqual(asked, [['list', { fleet: 'south' }, 100]]);
  });

  it('sees nothing without a fleet', async () => {
    const token = await tenant.token(['Measurements.Read']);
    const answer = await ask('GET', '/measurements', token);
    assert.deepEqual(await answer.json(), { measurements: [] });
    assert.deepEqual(asked, []);
  });

  it('creates measurements of its fleets only', async () => {
    const token = await tenant.token(['Measurements.Write', 'Fleet.south']);
    const files = [{ path: 'a.bag', sizeBytes: 1, md5: '0'.repeat(32) }];
    const manifest = { schemaVersion: 1, fleet: 'north', recordingId: 'd', vehicle: { vin: 'V' }, files };
    await refused(await ask('POST', '/measurements', token, manifest), 403, /role Fleet.north/);
    const own = { ...manifest, fleet: 'south' };
    assert.equal((await ask('POST', '/measurements', token, own)).status, 201);
  });

  it('says 503, not 401, while the keys of the tenant cannot be read', async () => {
    tenant.keySetStatus = 500;
    const token = await tenant.token(['Measurements.Read', 'Fleet.All']);
    await refused(await ask('GET', '/measurements', token), 503, /signing keys/);
  });

  it('leaves open whether it is alive, and how it is asked', async () => {
    assert.equal((await ask('GET', '/health')).status, 200);
    assert.equal((await ask('GET', '/openapi.json')).status, 200);
  });
});

/** The same claims under "alg": "none". */
function unsigned(token: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  return `${header}.${token.split('.')[1]}.`;
}
