import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { RetryableFailure } from '#domain/failures.ts';
import { AccessRefusal, type Authenticate, type Caller } from './access.ts';

/** The claims of an access token that matter here (Microsoft identity platform, "Access token claims reference"). */
const Claims = z.object({
  /** App roles, of people and of applications alike. */
  roles: z.array(z.string()).default([]),
  preferred_username: z.string().optional(),
  /** The application that asks. */
  azp: z.string().optional(),
  oid: z.string().optional(),
});

/** Clocks of the tenant and of this machine may differ by so much. */
const CLOCK_TOLERANCE_SECONDS = 60;

/**
 * Takes access tokens (version 2.0) that a tenant has issued for the API's registration, and no others. `authority` is
 * `https://login.microsoftonline.com/<tenant>`; its signing keys are fetched when they are first needed, and again
 * when a token names one that is not known.
 */
export function bearerTokens(access: {
  readonly authority: string;
  readonly clientId: string;
}): Authenticate {
  const { authority, clientId } = access;
  const keys = createRemoteJWKSet(new URL(`${authority}/discovery/v2.0/keys`));
  const options = {
    issuer: `${authority}/v2.0`,
    audience: clientId,
    algorithms: ['RS256'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    requiredClaims: ['exp'],
  };
  const howTo = `Get one with \`az account get-access-token --scope ${clientId}/.default\` and send it as "Authorization: Bearer <token>" (the command line takes it from LANDFALL_API_TOKEN).`;
  return async (authorization) => {
    const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new AccessRefusal(401, `The request carries no bearer token. ${howTo}`);
    try {
      const { payload } = await jwtVerify(token, keys, options);
      return callerOf(Claims.parse(payload));
    } catch (error) {
      if (isAboutKeys(error))
        throw new RetryableFailure(
          'dependency-unavailable',
          `the signing keys of ${authority} cannot be read: ${error.message}`,
          { cause: error },
        );
      if (!(error instanceof errors.JOSEError || error instanceof z.ZodError)) throw error;
      throw new AccessRefusal(401, `The bearer token is not accepted: ${error.message}. ${howTo}`, {
        cause: error,
      });
    }
  };
}

/** No answer, or none that is a key set: fetch says TypeError, jose its timeout or its plain error. */
function isAboutKeys(error: unknown): error is Error {
  if (error instanceof TypeError || error instanceof errors.JWKSTimeout) return true;
  return error instanceof errors.JOSEError && ['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID'].includes(error.code);
}

function callerOf({ preferred_username, azp, oid, roles }: z.infer<typeof Claims>): Caller {
  return { kind: 'known', name: preferred_username ?? azp ?? oid ?? 'a caller without a name', roles };
}
