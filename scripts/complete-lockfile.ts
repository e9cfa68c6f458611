// Adds to package-lock.json the platform packages that npm left out because the registry at hand did not hold them:
// node scripts/complete-lockfile.ts. Without their entries `npm ci` refuses the lockfile, even on platforms that
// never install them. An entry made here has no integrity; the next `npm install` against a registry that holds the
// package adds it.
import { readFileSync, writeFileSync } from 'node:fs';

interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly dev?: boolean;
}

export interface Lockfile {
  packages: Record<string, LockedPackage>;
}

export interface MissingPackage {
  readonly name: string;
  readonly version: string;
  readonly neededBy: string;
  readonly dev: boolean;
}

/** Optional dependencies that some package names and that have no entry where Node would look for them. */
export function missingPlatformPackages({ packages }: Lockfile): readonly MissingPackage[] {
  return Object.entries(packages).flatMap(([neededBy, { optionalDependencies = {}, dev = false }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !placesOf(neededBy, name).some((place) => place in packages))
      .map(([name, version]) => ({ name, version, neededBy, dev })),
  );
}

/** The lockfile with an entry for each of them. @throws {Error} when a version is a range: only npm can choose one. */
export function completed(lockfile: Lockfile): Lockfile {
  const added = missingPlatformPackages(lockfile).map(({ name, version, neededBy, dev }) => {
    if (!/^\d+\.\d+\.\d+[-.\w]*$/.test(version))
      throw new Error(
        `${neededBy} needs ${name} ${version}: take a registry that holds it and run npm install`,
      );
    return [
      `node_modules/${name}`,
      { version, ...platformOf(name), ...(dev ? { dev } : {}), optional: true },
    ];
  });
  const { '': root, ...others } = lockfile.packages;
  const packages = Object.entries({ ...others, ...Object.fromEntries(added) });
  const sorted = packages.toSorted(([one], [other]) => one.localeCompare(other, 'en'));
  return { ...lockfile, packages: { '': root ?? {}, ...Object.fromEntries(sorted) } };
}

/** `node_modules` folders from that of the package itself up to the project's. */
function placesOf(neededBy: string, name: string): readonly string[] {
  const parts = neededBy === '' ? [] : neededBy.split('/node_modules/');
  return [...parts.keys(), parts.length].map((depth) =>
    [...parts.slice(0, depth), depth === 0 ? `node_modules/${name}` : name].join('/node_modules/'),
  );
}

/** From names such as `core-linux-x64-musl` or `cli-win32-arm64`, npm's `os`, `cpu` and `libc`. */
function platformOf(name: string): object {
  const parts = name.split(/[-/]/);
  const one = (...known: readonly string[]) => parts.find((part) => known.includes(part));
  const os = one('android', 'darwin', 'freebsd', 'linux', 'openbsd', 'win32', 'aix', 'sunos', 'netbsd');
  const cpu = one('arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64');
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not name a platform`);
  const libc = os !== 'linux' ? undefined : parts.includes('musl') ? 'musl' : 'glibc';
  return { cpu: [cpu], os: [os], ...(libc === undefined ? {} : { libc: [libc] }) };
}

if (import.meta.main) {
  const before = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lockfile;
  const missing = missingPlatformPackages(before);
  writeFileSync('package-lock.json', `${JSON.stringify(completed(before), null, 2)}\n`);
  console.log(
    `${missing.length} platform packages added${missing.map(({ name }) => `\n  ${name}`).join('')}`,
  );
}
