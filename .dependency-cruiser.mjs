// The arrows of docs/ARCHITECTURE.md as rules. Every rule says why it is there and what to do instead.
const builtinOrNpm =
  '^(node:|fs|path|os|crypto|zlib|stream|events|util|child_process|worker_threads|net|http|https)|node_modules';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'domain-imports-only-domain-and-zod',
      comment:
        'The vocabulary and its decisions know nothing of the outside. Take the fact as an argument, or declare a port.',
      severity: 'error',
      from: { path: '^src/domain' },
      to: { pathNot: ['^src/domain', 'node_modules/zod'] },
    },
    {
      name: 'decisions-do-not-see-ports',
      comment: 'A decision gets facts, not ports. Let the handler ask the port and hand the answer in.',
      severity: 'error',
      from: { path: '^src/domain', pathNot: '^src/domain/ports' },
      to: { path: '^src/domain/ports' },
    },
    {
      name: 'saga-imports-only-domain',
      comment: 'The saga is pure; only saga-manager.ts holds ports.',
      severity: 'error',
      from: { path: '^src/saga' },
      to: { pathNot: ['^src/saga', '^src/domain'] },
    },
    {
      name: 'only-the-saga-manager-holds-ports',
      comment: 'Decisions of the saga take facts. Move the port call into saga-manager.ts.',
      severity: 'error',
      from: { path: '^src/saga', pathNot: '^src/saga/saga-manager[.]ts$' },
      to: { path: '^src/domain/ports' },
    },
    {
      name: 'handlers-import-only-domain',
      comment: 'Handlers work through ports. An adapter or a library enters through src/composition.',
      severity: 'error',
      from: { path: '^src/handlers' },
      to: { pathNot: ['^src/handlers', '^src/domain'] },
    },
    {
      name: 'stages-do-not-call-stages',
      comment:
        'A stage knows only its own command. Share a decision through src/domain; the saga calls the next stage.',
      severity: 'error',
      from: { path: '^src/handlers/([^/]+)[.]ts$' },
      to: { path: '^src/handlers/(validate|register|copy|extract|sync|enrich|scene-detect|share)[.]ts$' },
    },
    {
      name: 'formats-are-pure',
      comment:
        'Readers take bytes through ByteSource and decompressors as arguments, so that they run anywhere.',
      severity: 'error',
      from: { path: '^src/formats' },
      to: { pathNot: ['^src/formats'] },
    },
    {
      name: 'formats-do-not-know-each-other',
      comment:
        'A format imports its own folder, the two files all readers share (byte-source.ts, recording-reader.ts), and messages/: the serializations that bags and MCAP files have in common.',
      severity: 'error',
      from: { path: '^src/formats/([^/]+)/' },
      to: {
        path: '^src/formats/',
        pathNot: ['^src/formats/$1/', '^src/formats/(byte-source|recording-reader)[.]ts$', '^src/formats/messages/'],
      },
    },
    {
      name: 'adapters-do-not-know-each-other',
      comment:
        'An adapter speaks to one foreign thing. What two of them need belongs to the domain or to composition.',
      severity: 'error',
      from: { path: '^src/adapters/([^/]+)/' },
      to: { path: '^src/adapters/', pathNot: '^src/adapters/$1/' },
    },
    {
      name: 'adapters-do-not-import-saga-or-composition',
      comment: 'Adapters are handed in. If one needs the saga, a port is missing.',
      severity: 'error',
      from: { path: '^src/adapters' },
      to: { path: '^src/(saga|composition)' },
    },
    {
      name: 'only-driving-adapters-call-operations',
      comment:
        'The metadata API and the command line call handlers/operations; no other adapter calls handlers.',
      severity: 'error',
      from: { path: '^src/adapters', pathNot: '^src/adapters/(http|cli)/' },
      to: { path: '^src/handlers' },
    },
    {
      name: 'http-and-cli-call-operations-only',
      comment: 'A stage starts by its command, not by a click. Send the command.',
      severity: 'error',
      from: { path: '^src/adapters/(http|cli)/' },
      to: { path: '^src/handlers', pathNot: '^src/handlers/operations/' },
    },
    {
      name: 'azure-only-in-azure-adapters',
      comment: 'Vendor types stay in src/adapters/azure; translate there.',
      severity: 'error',
      from: { path: '^(src|containers)', pathNot: '^src/adapters/azure' },
      to: { path: '(^|/)node_modules/@azure/|^@azure/' },
    },
    {
      name: 'inversify-only-in-composition',
      comment: 'Only the composition root knows the container.',
      severity: 'error',
      from: { path: '^(src|containers)', pathNot: '^src/composition' },
      to: { path: 'inversify|reflect-metadata' },
    },
    {
      name: 'rxjs-only-at-the-edge',
      comment:
        'rxjs lives where time and concurrency live: receive loops, polling, live progress. Never in decisions.',
      severity: 'error',
      from: { path: '^(src/(domain|saga|handlers|formats)|containers)' },
      to: { path: 'rxjs' },
    },
    {
      name: 'containers-enter-through-composition',
      comment: 'A task is domain logic and formats; what it touches is handed in by src/composition.',
      severity: 'error',
      from: { path: '^containers/([^/]+)/' },
      to: {
        pathNot: ['^containers/$1/', '^src/domain', '^src/formats', '^src/composition', '^src/adapters/extraction/', builtinOrNpm],
      },
    },
    {
      name: 'nothing-in-src-imports-test-containers-or-emulators',
      comment: 'The product does not know its tests, its images or its stand-ins.',
      severity: 'error',
      from: { path: '^src' },
      to: { path: '^(test|containers|emulators|scripts)/' },
    },
    {
      name: 'emulators-read-the-protocol-not-our-code',
      comment: 'An emulator that shares our code, or the SDK it is tested with, agrees with our mistakes.',
      severity: 'error',
      from: { path: '^emulators' },
      to: { path: '^(src|containers|test|scripts)/|(^|/)node_modules/@azure/|^@azure/' },
    },
    {
      name: 'emulators-do-not-know-each-other',
      comment: 'Each service is its own process; what they share on the wire is the protocol.',
      severity: 'error',
      from: { path: '^emulators/([^/]+)/' },
      to: { path: '^emulators/[^/]+/', pathNot: '^emulators/$1/' },
    },
    {
      name: 'no-spec-imports-a-spec',
      comment: 'Move what two specs need into test/support or into a contract suite.',
      severity: 'error',
      from: { path: '^test' },
      to: { path: '[.]spec[.]ts$' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one idea, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'The import points at nothing.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules/.cache' },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    parser: 'swc',
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
