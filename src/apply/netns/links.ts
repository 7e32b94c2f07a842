/** The interfaces of a network namespace as the kernel has them: what a pod's annotation is held against. */
import type { OpenNetns } from './open-netns.ts'

/** Name to MAC address, in lower case. */
export type Links = ReadonlyMap<string, string>

/** @throws where they cannot be read */
export async function readLinks(netns: OpenNetns, signal: AbortSignal): Promise<Links> {
  const { execa } = await import('execa')
  const args = [`--net=${netns.path}`, 'ip', '-json', 'link', 'show']
  const { stdout } = await execa('nsenter', args, {
    timeout: 10_000,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    stdin: 'ignore',
  })
  const links = JSON.parse(stdout) as readonly { readonly ifname: string; readonly address?: string }[]
  return new Map(links.map(({ ifname, address = '' }) => [ifname, address.toLowerCase()]))
}
