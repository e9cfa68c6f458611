/**
 * Who may ask the metadata API for what. Roles are app roles of the API's registration in Entra ID
 * (bicep/app-roles.json); each route names the one it needs. A fleet is a role too: `Fleet.<name>`, or `Fleet.All`.
 */
export const API_ROLES = [
  'Measurements.Read',
  'Measurements.Write',
  'DataStreams.Write',
  'Shares.Create',
  'Tasks.Report',
  'Vehicles.Read',
  'Vehicles.Write',
  'Operations.Read',
  'Operations.Replay',
] as const;
export type ApiRole = (typeof API_ROLES)[number];

const FLEET_ROLE_PREFIX = 'Fleet.';
const ALL_FLEETS_ROLE = 'Fleet.All';

/** Who asks. `anybody` is whoever reaches a loopback API that asks for no tokens. */
export type Caller =
  | { readonly kind: 'anybody' }
  | {
      readonly kind: 'known';
      /** For audits: user principal name, else the id of the application. */
      readonly name: string;
      readonly roles: readonly string[];
    };

/** Turns the header `Authorization` into a caller. @throws {AccessRefusal} when it names none. */
export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

/** 401: nobody was named. 403: somebody was, who lacks a role. */
export class AccessRefusal extends Error {
  override readonly name = 'AccessRefusal';
  readonly status: 401 | 403;

  constructor(status: 401 | 403, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export const anybody: Authenticate = async () => ({ kind: 'anybody' });

/** @throws {AccessRefusal} naming the role and how to get it. */
export function assertRole(caller: Caller, role: ApiRole, what: string): void {
  if (caller.kind === 'anybody' || caller.roles.includes(role)) return;
  throw missing(caller.name, role, what);
}

/** @throws {AccessRefusal} naming the fleet's role and how to get it. */
export function assertFleet(caller: Caller, fleet: string, what: string): void {
  const fleets = fleetsOf(caller);
  if (caller.kind === 'anybody' || fleets === 'all' || fleets.includes(fleet)) return;
  throw missing(caller.name, `${FLEET_ROLE_PREFIX}${fleet}`, what);
}

/** The fleets a caller may see. */
export function fleetsOf(caller: Caller): 'all' | readonly string[] {
  if (caller.kind === 'anybody' || caller.roles.includes(ALL_FLEETS_ROLE)) return 'all';
  return caller.roles
    .filter((role) => role.startsWith(FLEET_ROLE_PREFIX))
    .map((role) => role.slice(FLEET_ROLE_PREFIX.length));
}

function missing(name: string, role: string, what: string): AccessRefusal {
  return new AccessRefusal(
    403,
    `${what} needs the role ${role}, which ${name} does not have. Ask whoever owns the API's registration to assign it, then sign in again: roles are in the token.`,
  );
}
