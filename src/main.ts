/** `mnpd`: picks the command. Exit codes: 0 done, 1 the answer is no, 2 the call or its input is wrong. */
import { readFileSync } from 'node:fs'
import { UsageError } from './usage-error.ts'

const HELP = `mnpd enforces MultiNetworkPolicy on the secondary interfaces of pods.

  mnpd run      the daemon (also when the first argument is a flag)
  mnpd compile  prints what would be enforced, touching nothing
  mnpd explain  may A reach B, and which rule of which policy decides
  mnpd matrix   who reaches whom, every pair of pods of a network
  mnpd audit    what should stand, what the kernel has, and what was saved, compared
  mnpd cleanup  takes away all that the daemon put into pods
  mnpd gate     has new pods wait for their rules, or no longer: the CNI configuration of this node
  mnpd version  prints the version

mnpd COMMAND --help lists a command's flags.
`

async function main(args: readonly string[]): Promise<number> {
  const [first = '', ...rest] = args
  if (['help', '--help', '-help', '-h'].includes(first)) return print(HELP)
  const [command, flags] = first.startsWith('-') ? ['run', args] : [first, rest]
  const help = flags.some((flag) => ['--help', '-help', '-h'].includes(flag))
  if (command === 'version') return print(`${version()}\n`)
  const load = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined
  if (load === undefined) {
    throw new UsageError(
      first === '' ? 'no command' : `unknown command ${JSON.stringify(first)}`,
      `${Object.keys(COMMANDS).join(', ')} or version; see mnpd help`,
    )
  }
  const { text, run } = await load()
  return help ? print(text) : run(flags, process.env)
}

interface Command {
  /** What `--help` prints. */
  readonly text: string
  /** @returns the exit code */
  readonly run: (args: readonly string[], env: NodeJS.ProcessEnv) => Promise<number>
}

/** Each is imported only when it is called. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => {
    const { RUN_HELP, runCommand } = await import('./cli/run.ts')
    return { text: RUN_HELP, run: runCommand }
  },
  compile: async () => {
    const { COMPILE_HELP, compileCommand } = await import('./cli/compile.ts')
    return { text: COMPILE_HELP, run: compileCommand }
  },
  explain: async () => {
    const { EXPLAIN_HELP, explainCommand } = await import('./cli/explain.ts')
    return { text: EXPLAIN_HELP, run: explainCommand }
  },
  matrix: async () => {
    const { MATRIX_HELP, matrixCommand } = await import('./cli/matrix.ts')
    return { text: MATRIX_HELP, run: matrixCommand }
  },
  audit: async () => {
    const { AUDIT_HELP, auditCommand } = await import('./cli/audit.ts')
    return { text: AUDIT_HELP, run: auditCommand }
  },
  cleanup: async () => {
    const { CLEANUP_HELP, cleanupCommand } = await import('./cli/cleanup.ts')
    return { text: CLEANUP_HELP, run: cleanupCommand }
  },
  gate: async () => {
    const { GATE_HELP, gateCommand } = await import('./cli/gate.ts')
    return { text: GATE_HELP, run: gateCommand }
  },
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

// Until it is known: a promise that never settles is no success.
process.exitCode = 2
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const known = error instanceof UsageError
    process.stderr.write(`mnpd: ${known ? error.message : error instanceof Error ? error.stack : error}\n`)
    // At once: after an error of ours nothing that still runs can be trusted to end by itself.
    process.exit(2)
  },
)
