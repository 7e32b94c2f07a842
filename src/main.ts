/** `mnpd`: picks the command. Exit codes: 0 done, 1 the answer is no, 2 the call or its input is wrong. */
import { readFileSync } from 'node:fs'
import { UsageError } from './usage-error.ts'

const HELP = `mnpd enforces MultiNetworkPolicy on the secondary interfaces of pods.

  mnpd run      the daemon (also when the first argument is a flag)
  mnpd compile  prints what would be enforced, touching nothing
  mnpd explain  may A reach B, and which rule of which policy decides
  mnpd matrix   who reaches whom, every pair of pods of a network
  mnpd version  prints the version

mnpd COMMAND --help lists a command's flags.
`

async function main(args: readonly string[]): Promise<number> {
  const [first = '', ...rest] = args
  if (['help', '--help', '-help', '-h'].includes(first)) return print(HELP)
  const [command, flags] = first.startsWith('-') ? ['run', args] : [first, rest]
  const help = flags.some((flag) => ['--help', '-help', '-h'].includes(flag))
  switch (command) {
    case 'run': {
      const { RUN_HELP, runCommand } = await import('./cli/run.ts')
      return help ? print(RUN_HELP) : runCommand(flags, process.env)
    }
    case 'compile': {
      const { COMPILE_HELP, compileCommand } = await import('./cli/compile.ts')
      return help ? print(COMPILE_HELP) : compileCommand(flags, process.env)
    }
    case 'explain': {
      const { EXPLAIN_HELP, explainCommand } = await import('./cli/explain.ts')
      return help ? print(EXPLAIN_HELP) : explainCommand(flags, process.env)
    }
    case 'matrix': {
      const { MATRIX_HELP, matrixCommand } = await import('./cli/matrix.ts')
      return help ? print(MATRIX_HELP) : matrixCommand(flags, process.env)
    }
    case 'version':
      return print(`${version()}\n`)
    default:
      throw new UsageError(
        first === '' ? 'no command' : `unknown command ${JSON.stringify(first)}`,
        'run, compile, explain, matrix or version; see mnpd help',
      )
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const known = error instanceof UsageError
  process.stderr.write(`mnpd: ${known ? error.message : error instanceof Error ? error.stack : error}\n`)
  // At once: after an error of ours nothing that still runs can be trusted to end by itself.
  process.exit(2)
}
