import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import { connect } from 'node:tls';
import type { Finding } from '#adapters/cli/findings.ts';
import type { DeployedEnvironment, StorageProperties } from './environment.ts';

const CONNECT_WITHIN_MS = 5000;
const HTTPS_PORT = 443;
const AMQPS_PORT = 5671;

/** Addresses that do not leave a network: RFC 1918, RFC 6598, RFC 4193, and this machine. */
const PRIVATE = new BlockList();
for (const [network, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
] as const)
  PRIVATE.addSubnet(network, bits);
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addAddress('::1', 'ipv6');

interface Endpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Every endpoint from here: its name resolves to a private address, and a TLS connection comes about. */
export async function examineReachability(environment: DeployedEnvironment): Promise<readonly Finding[]> {
  return Promise.all(endpointsOf(environment).map(reach));
}

function endpointsOf(environment: DeployedEnvironment): readonly Endpoint[] {
  const bus = environment.only<{ serviceBusEndpoint?: string }>('Microsoft.ServiceBus/namespaces');
  const api = environment
    .all<{ configuration?: { ingress?: { fqdn?: string } } }>('Microsoft.App/containerApps')
    .find(({ name }) => name === 'api');
  const addresses: readonly (readonly [string, string | undefined])[] = [
    ...environment
      .all<StorageProperties>('Microsoft.Storage/storageAccounts')
      .flatMap(({ name, properties: { primaryEndpoints, isHnsEnabled } }) => [
        [`storage ${name}`, primaryEndpoints?.blob] as const,
        ...(isHnsEnabled === true ? [[`storage ${name}, folders`, primaryEndpoints?.dfs] as const] : []),
      ]),
    ['Service Bus', bus?.properties.serviceBusEndpoint],
    ['Service Bus, AMQP', amqpAddress(bus?.properties.serviceBusEndpoint)],
    [
      'Cosmos DB',
      environment.only<{ documentEndpoint?: string }>('Microsoft.DocumentDB/databaseAccounts')?.properties
        .documentEndpoint,
    ],
    [
      'Batch',
      environment.only<{ accountEndpoint?: string }>('Microsoft.Batch/batchAccounts')?.properties
        .accountEndpoint,
    ],
    [
      'Event Grid',
      environment.only<{ endpoint?: string }>('Microsoft.EventGrid/topics')?.properties.endpoint,
    ],
    [
      'container registry',
      environment.only<{ loginServer?: string }>('Microsoft.ContainerRegistry/registries')?.properties
        .loginServer,
    ],
    ['key vault', environment.only<{ vaultUri?: string }>('Microsoft.KeyVault/vaults')?.properties.vaultUri],
    ['metadata API', api?.properties.configuration?.ingress?.fqdn],
  ];
  return addresses.flatMap(([name, address]) => (address === undefined ? [] : [endpointOf(name, address)]));
}

/** Workers speak AMQP; a namespace has it on the same host. */
function amqpAddress(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const { hostname, port } = new URL(address);
  return port === '' || port === String(HTTPS_PORT) ? `https://${hostname}:${AMQPS_PORT}` : undefined;
}

/** Some resources give an address, others a host alone. */
function endpointOf(name: string, address: string): Endpoint {
  const { hostname, port } = new URL(address.includes('://') ? address : `https://${address}`);
  return { name, host: hostname, port: Number(port || HTTPS_PORT) };
}

async function reach({ name: service, host, port }: Endpoint): Promise<Finding> {
  const name = `reach ${service}`;
  let addresses: readonly string[];
  try {
    addresses = (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    return {
      name,
      state: 'failed',
      found: `${host} has no address here (${codeOf(error)})`,
      remedy:
        'run this inside the virtual network, or over VPN or ExpressRoute with DNS forwarded to it; check that the private DNS zone is linked to the network',
    };
  }
  const isOutside = addresses.some((address) => !PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'));
  if (isOutside)
    return {
      name,
      state: 'failed',
      found: `${host} resolves to the public address ${addresses.join(', ')}, where nobody is let in`,
      remedy: 'this network does not use the private DNS zone of the service: link it, or forward DNS to it',
    };
  const trouble = await handshake(host, port);
  if (trouble === undefined) return { name, state: 'ok', found: `${host}:${port} at ${addresses[0]}` };
  return {
    name,
    state: 'failed',
    found: `${host}:${port} at ${addresses[0]} does not answer: ${trouble}`,
    remedy:
      'look at the private endpoint (az network private-endpoint list) and at what stands between: network security groups, firewalls, proxies that break TLS',
  };
}

/** @returns undefined when TLS came about, else why not. */
function handshake(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, servername: host, timeout: CONNECT_WITHIN_MS });
    const answer = (trouble: string | undefined) => {
      socket.destroy();
      resolve(trouble);
    };
    socket.once('secureConnect', () => answer(undefined));
    socket.once('timeout', () => answer(`nothing within ${CONNECT_WITHIN_MS / 1000} s`));
    socket.once('error', (error) => answer(codeOf(error)));
  });
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
