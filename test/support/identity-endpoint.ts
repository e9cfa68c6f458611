// A machine with a managed identity, on loopback: the identity endpoint of App Service and Container Apps (protocol
// 2019-08-01), and a certificate that this process trusts while it lasts.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { selfSignedCertificate } from './self-signed-certificate.ts';

const TENANT = '00000000-0000-0000-0000-000000000000';
/** Of an identity that the machine does not have. */
export const UNKNOWN_CLIENT_ID = '99999999-9999-9999-9999-999999999999';
const VARIABLES = ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER'] as const;

export interface MachineWithIdentity {
  /** For servers of the local stack; clients of this process accept it. */
  readonly certificate: { readonly key: string; readonly cert: string };
  /** The query of each request for a token: `resource`, `client_id`, `api-version`. */
  readonly asked: readonly URLSearchParams[];
  close(): void;
}

/** Start it before the first credential is used: the identity library remembers the kind of machine it found. */
export async function startMachineWithIdentity(): Promise<MachineWithIdentity> {
  const asked: URLSearchParams[] = [];
  const server = await listen(asked);
  const certificate = selfSignedCertificate();
  const trusted = tls.getCACertificates('default');
  tls.setDefaultCACertificates([...trusted, certificate.cert]);
  const before = VARIABLES.map((name) => [name, process.env[name]] as const);
  process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  process.env['IDENTITY_HEADER'] = 'secret';
  return {
    certificate,
    asked,
    close() {
      server.close();
      tls.setDefaultCACertificates(trusted);
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    },
  };
}

async function listen(asked: URLSearchParams[]): Promise<Server> {
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://127.0.0.1').searchParams;
    asked.push(query);
    response.setHeader('content-type', 'application/json');
    if (request.headers['x-identity-header'] !== 'secret') {
      response.writeHead(401).end(JSON.stringify({ statusCode: 401, message: 'No identity header.' }));
      return;
    }
    if (query.get('client_id') === UNKNOWN_CLIENT_ID) {
      response.writeHead(400).end(JSON.stringify({ statusCode: 400, message: 'Identity not found.' }));
      return;
    }
    const { token, expiresAtSeconds } = unsignedToken(query.get('resource') ?? '');
    response.end(
      JSON.stringify({ access_token: token, expires_on: String(expiresAtSeconds), token_type: 'Bearer' }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** The services of the local stack read the claims of a token and do not ask who signed it. */
function unsignedToken(resource: string): { readonly token: string; readonly expiresAtSeconds: number } {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    aud: resource.replace(/\/$/, ''),
    iss: `https://sts.windows.net/${TENANT}/`,
    iat: nowSeconds - 60,
    nbf: nowSeconds - 60,
    exp: nowSeconds + 3600,
    oid: '11111111-1111-1111-1111-111111111111',
    tid: TENANT,
  };
  const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
  return { token: `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`, expiresAtSeconds: claims.exp };
}
