/** The interfaces of a network namespace as the kernel has them: what a pod's annotation is held against. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { OpenNetns } from './open-netns.ts'

export interface KernelLink {
  /** In lower case; empty where it has none. */
  readonly mac: string
  /** The VRF that it is within. */
  readonly vrf: string | undefined
  /** Such as `veth`, `macvlan` or `ipvlan l3s`; undefined for a device of hardware. */
  readonly kind: string | undefined
}

/** By name. */
export type Links = ReadonlyMap<string, KernelLink>

/** Some 10,000 links: root in the pod can make as many as it likes. */
const MOST_OUTPUT = 4 * 1024 * 1024

/**
 * Not by execa, which leaves 15 MiB more behind once every pod of a full node was looked at (measured), and is not loaded
 * otherwise while libnftables writes.
 * @throws where they cannot be read
 */
export async function readLinks(netns: OpenNetns, signal: AbortSignal): Promise<Links> {
  const args = [`--net=${netns.path}`, 'ip', '-json', '-details', 'link', 'show']
  const { stdout } = await promisify(execFile)('nsenter', args, {
    timeout: 10_000,
    killSignal: 'SIGKILL',
    signal,
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: MOST_OUTPUT,
  })
  return parseKernelLinks(stdout)
}

interface ShownLink {
  readonly ifname: string
  readonly address?: string
  readonly master?: string
  readonly linkinfo?: {
    readonly info_kind?: string
    readonly info_data?: { readonly mode?: unknown }
    readonly info_slave_kind?: string
  }
}

/** @param printed by `ip -json -details link show`. @throws SyntaxError */
export function parseKernelLinks(printed: string): Links {
  const links = parseShown(printed) as readonly ShownLink[]
  return new Map(
    links.map(({ ifname, address = '', master, linkinfo = {} }) => {
      const { info_kind: kind, info_data: data, info_slave_kind: within } = linkinfo
      const mode = kind === 'ipvlan' && typeof data?.mode === 'string' ? ` ${data.mode}` : ''
      return [
        ifname,
        {
          mac: address.toLowerCase(),
          vrf: within === 'vrf' ? master : undefined,
          kind: kind && `${kind}${mode}`,
        },
      ]
    }),
  )
}

/**
 * What `ip -json` prints. It writes the name of a link as it is, so a control character of a name has to be escaped
 * here; those that it prints itself, blanks and line feeds, cannot be in a name.
 * @throws SyntaxError
 */
export function parseShown(printed: string): unknown {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  const escaped = printed.replaceAll(/[\x01-\x08\x0e-\x1f]/g, (character) => {
    return `\\u00${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return JSON.parse(escaped)
}
