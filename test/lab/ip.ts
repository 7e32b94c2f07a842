/**
 * Runs iproute2, many commands to a process: a pod costs a handful of processes, not one a link and
 * address. Nothing passes through a shell, and a name that the batch syntax cannot carry goes as a plain
 * argument instead, so that pods may have interfaces with any name the kernel takes.
 */
import { execa } from 'execa'

/** One ip command as words, such as `['link', 'set', 'dev', 'lo', 'up']`. */
export type IpCommand = readonly string[]

/** Where a command is run: in the namespace of that name, or in the one this process is in. */
export type Where = { readonly netns: string } | 'here'

/**
 * Runs the commands in order and stops at the first that fails.
 * @throws an Error that names the command and what ip said of it
 */
export async function ip(where: Where, commands: readonly IpCommand[]): Promise<void> {
  await run(where, commands)
}

/**
 * Runs the commands, of which only the last one prints, and gives what it printed.
 * @returns the array that `ip -j -d … show` prints, unchecked
 */
export async function ipShow<T>(where: Where, commands: readonly IpCommand[]): Promise<readonly T[]> {
  return JSON.parse(await run(where, commands)) as T[]
}

/** The part of `ip -j -d address show` that the lab reads. */
export interface ShownLink {
  readonly ifname: string
  readonly address: string
  readonly operstate: string
  readonly linkinfo?: { readonly info_slave_data?: { readonly state?: string } }
  readonly addr_info: readonly {
    readonly family: string
    readonly local: string
    readonly prefixlen: number
    readonly scope: string
  }[]
}

async function run(where: Where, commands: readonly IpCommand[]): Promise<string> {
  if (commands.length === 0) return ''
  if (commands.some(outsideBatch)) return await runOneByOne(where, commands)
  const input = `${commands.map((words) => words.join(' ')).join('\n')}\n`
  const result = await execa('ip', [...options(where), '-batch', '-'], { input, reject: false })
  if (result.failed) throw refusal(where, result.stderr || result.message || '', commands)
  return result.stdout
}

async function runOneByOne(where: Where, commands: readonly IpCommand[]): Promise<string> {
  let printed = ''
  for (const command of commands) {
    const result = await execa('ip', [...options(where), ...command], { reject: false })
    if (result.failed) throw refusal(where, result.stderr || result.message || '', [command])
    printed = result.stdout
  }
  return printed
}

function options(where: Where): string[] {
  return where === 'here' ? ['-j', '-d'] : ['-n', where.netns, '-j', '-d']
}

/** In a batch # starts a comment anywhere, and a quotation mark a string where a word begins; nothing escapes. */
function outsideBatch(command: IpCommand): boolean {
  return command.some((word) => /^$|^["']|[#\s\\]/.test(word))
}

function refusal(where: Where, stderr: string, commands: readonly IpCommand[]): Error {
  const line = /Command failed -:(\d+)/.exec(stderr)?.[1]
  const place = where === 'here' ? '' : ` in ${where.netns}`
  // Of a batch with a word it cannot read, ip says the word but not the line.
  const command = commands.length === 1 ? commands[0] : commands[Number(line) - 1]
  return new Error(
    `ip ${command?.join(' ') ?? `(${commands.length} commands)`}${place}: ${stderr.replace(/\s*Command failed -:\d+\s*/, '').trim()}`,
  )
}
