/**
 * The programs of one OVN deployment with one node, each in the foreground, all in one directory and one network namespace of
 * their own, so that nothing of the machine's own Open vSwitch is met and deployments can stand side by side:
 *
 *     nb, sb        ovsdb-server of the Northbound and the Southbound database
 *     northd        ovn-northd
 *     switch-db     ovsdb-server of Open vSwitch's own database
 *     vswitchd      ovs-vswitchd, with the datapath in user space: the kernel need not have the openvswitch module
 *     controller    ovn-controller
 */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { NETNS_DIR } from '../../lab/names.ts'
import { listens, type Program, RunningProgram } from './process.ts'

export type ProgramName = 'nb' | 'sb' | 'northd' | 'switch-db' | 'vswitchd' | 'controller'

export const PROGRAM_NAMES: readonly ProgramName[] = [
  'nb',
  'sb',
  'northd',
  'switch-db',
  'vswitchd',
  'controller',
]

const OVN_SCHEMAS = '/usr/share/ovn'
const SWITCH_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
/** Whatever becomes of the tests' process, its programs end with it. */
const UNTIL_TESTS_END = ['setpriv', '--pdeathsig', 'KILL', 'nsenter'] as const
/** Not every program can be told where its control socket is to be; it is `NAME.PID.ctl` in the run directory. */
const CONTROL_NAMES = {
  northd: 'ovn-northd',
  vswitchd: 'ovs-vswitchd',
  controller: 'ovn-controller',
} as const
/** For a tool that waits; what takes longer hangs. */
const TOOL_SECONDS = 60

/** Where the programs are, and the tools to talk to them. Nothing here runs by itself. */
export class Central {
  readonly directory: string
  readonly #netns: string

  /** @param netnsName a namespace that is there already */
  constructor(directory: string, netnsName: string) {
    this.directory = directory
    this.#netns = `${NETNS_DIR}/${netnsName}`
  }

  socket(database: 'nb' | 'sb' | 'switch-db'): string {
    return join(this.directory, `${database}.sock`)
  }

  async createDatabases(): Promise<void> {
    await Promise.all([
      this.#tool('ovsdb-tool', ['create', this.#file('nb.db'), join(OVN_SCHEMAS, 'ovn-nb.ovsschema')]),
      this.#tool('ovsdb-tool', ['create', this.#file('sb.db'), join(OVN_SCHEMAS, 'ovn-sb.ovsschema')]),
      this.#tool('ovsdb-tool', ['create', this.#file('switch-db.db'), SWITCH_SCHEMA]),
    ])
  }

  async start(name: ProgramName): Promise<RunningProgram> {
    const [program, ...args] = this.#commands()[name]
    return await RunningProgram.start({
      name,
      command: [...UNTIL_TESTS_END, `--net=${this.#netns}`, program, ...args],
      env: this.#env(),
      log: this.#file(`${name}.log`),
      up: this.#up(name),
    })
  }

  /** Runs ovn-nbctl with several commands as one transaction. @returns what it printed */
  async nbctl(commands: readonly (readonly string[])[], options: readonly string[] = []): Promise<string> {
    const db = `--db=unix:${this.socket('nb')}`
    return await this.#tool('ovn-nbctl', ['--no-leader-only', db, ...tool(options), ...joined(commands)])
  }

  async sbctl(commands: readonly (readonly string[])[], options: readonly string[] = []): Promise<string> {
    const db = `--db=unix:${this.socket('sb')}`
    return await this.#tool('ovn-sbctl', ['--no-leader-only', db, ...tool(options), ...joined(commands)])
  }

  async vsctl(commands: readonly (readonly string[])[], options: readonly string[] = []): Promise<string> {
    const db = `--db=unix:${this.socket('switch-db')}`
    return await this.#tool('ovs-vsctl', [db, ...tool(options), ...joined(commands)])
  }

  /** Tells vswitchd something over its control socket. @returns what it answers */
  async vswitchd(pid: number, ...words: readonly string[]): Promise<string> {
    const target = this.#file(`${CONTROL_NAMES.vswitchd}.${pid}.ctl`)
    return await this.#tool('ovs-appctl', [`--timeout=${TOOL_SECONDS}`, `--target=${target}`, ...words])
  }

  /** Starts `ovn-trace --detach`. @returns its control socket, and the file that holds its process id */
  async traceServer(
    name: string,
    options: readonly string[],
  ): Promise<{ readonly control: string; readonly pidFile: string }> {
    const [control, pidFile] = [this.#file(`${name}.ctl`), this.#file(`${name}.pid`)]
    const db = ['--no-leader-only', `--db=unix:${this.socket('sb')}`]
    const daemon = ['--detach', '--no-chdir', `--pidfile=${pidFile}`, `--unixctl=${control}`]
    await this.#tool('ovn-trace', [...db, ...daemon, '-vsyslog:off', '-vconsole:off', ...options])
    return { control, pidFile }
  }

  #commands(): Readonly<Record<ProgramName, readonly [string, ...string[]]>> {
    const unix = (database: 'nb' | 'sb' | 'switch-db'): string => `unix:${this.socket(database)}`
    const quiet = ['-vsyslog:off', '-vconsole:info']
    const database = (name: 'nb' | 'sb' | 'switch-db'): readonly [string, ...string[]] => [
      'ovsdb-server',
      `--remote=p${unix(name)}`,
      ...quiet,
      this.#file(`${name}.db`),
    ]
    return {
      nb: database('nb'),
      sb: database('sb'),
      'switch-db': database('switch-db'),
      northd: ['ovn-northd', `--ovnnb-db=${unix('nb')}`, `--ovnsb-db=${unix('sb')}`, ...quiet],
      vswitchd: ['ovs-vswitchd', '--disable-system', '--disable-system-route', ...quiet, unix('switch-db')],
      controller: ['ovn-controller', ...quiet, unix('switch-db')],
    }
  }

  #up(name: ProgramName): (pid: number) => Promise<boolean> {
    if (name === 'nb' || name === 'sb' || name === 'switch-db') return () => listens(this.socket(name))
    return (pid) => listens(this.#file(`${CONTROL_NAMES[name]}.${pid}.ctl`))
  }

  /** All that these programs would else look for, or leave, in the machine's own directories. */
  #env(): Program['env'] {
    const names = ['RUNDIR', 'LOGDIR', 'DBDIR', 'SYSCONFDIR']
    return Object.fromEntries(
      names.flatMap((name) => [
        [`OVS_${name}`, this.directory],
        [`OVN_${name}`, this.directory],
      ]),
    )
  }

  #file(name: string): string {
    return join(this.directory, name)
  }

  async #tool(program: string, args: readonly string[]): Promise<string> {
    const { stdout } = await execa(program, args, { env: this.#env() })
    return stdout
  }
}

/** @throws with what has to be installed, when the programs are not */
export async function checkInstalled(): Promise<void> {
  await Promise.all([access(OVN_SCHEMAS), access(SWITCH_SCHEMA)]).catch((cause: unknown) => {
    throw new Error('OVN is not installed: the tests need ovn-central, ovn-host and openvswitch-switch', {
      cause,
    })
  })
}

function tool(options: readonly string[]): readonly string[] {
  return [`--timeout=${TOOL_SECONDS}`, ...options]
}

function joined(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.flatMap((command) => ['--', ...command])
}
