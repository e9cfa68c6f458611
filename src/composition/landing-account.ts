import { pickAccount } from '#domain/placement.ts';
import { type Settings, SettingsError } from './settings.ts';

/**
 * The Landing account of a folder. A folder's files must meet in one account, whoever uploads them: so it is computed
 * from the folder's name and the settings alone, the same in the API and on the command line.
 * @throws {SettingsError} when this region has none.
 */
export function landingAccountOf(
  { region, zoneAccounts }: Pick<Settings, 'region' | 'zoneAccounts'>,
  landingFolder: string,
): string {
  const accounts = zoneAccounts.map((account) => ({ ...account, state: 'open' as const }));
  const account = pickAccount(accounts, 'landing', region, landingFolder);
  if (account !== undefined) return account;
  throw new SettingsError(
    `LANDFALL_ZONE_ACCOUNTS has no account of the zone landing in ${region}; add one, or correct LANDFALL_REGION.`,
  );
}
