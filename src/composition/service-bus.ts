import type { ServiceBusAccess } from '#adapters/azure/service-bus/service-bus-connection.ts';
import { type Settings, SettingsError } from './settings.ts';

export function serviceBusAccessOf({ serviceBus }: Settings): ServiceBusAccess {
  const { auth, clientId, fullyQualifiedNamespace, connectionString, adminEndpoint } = serviceBus;
  if (auth === 'managed-identity') {
    if (fullyQualifiedNamespace === undefined)
      throw new SettingsError('LANDFALL_SERVICE_BUS_NAMESPACE is not set.');
    return { auth, fullyQualifiedNamespace, ...(clientId === undefined ? {} : { clientId }) };
  }
  if (connectionString === undefined)
    throw new SettingsError('LANDFALL_SERVICE_BUS_CONNECTION_STRING is not set.');
  return { auth, connectionString, ...(adminEndpoint === undefined ? {} : { adminEndpoint }) };
}
