/** Quick looks into network namespaces that are made and gone, in the real kernel. */
import { stat } from 'node:fs/promises'
import { execa } from 'execa'
import { afterEach, describe, expect, test } from 'vitest'
import { type NetnsAccess, type NetnsLink, openNetnsAccess } from '../../src/in-process/netns-access.ts'

const NAME = `njson-access-${process.pid}`
const path = `/run/netns/${NAME}`
const MOST_TRIES = 50
const access: NetnsAccess = (await openNetnsAccess()) ?? expect.fail('no access')

const make = async (): Promise<unknown> => await execa('ip', ['netns', 'add', NAME])
const remove = async (): Promise<unknown> => await execa('ip', ['netns', 'delete', NAME])
const inode = async (): Promise<bigint> => (await stat(path, { bigint: true })).ino

afterEach(async () => {
  await remove().catch(() => undefined)
})

test('a cookie is one namespace’s, whatever it is called, and stays', async () => {
  await make()
  const cookie = access.cookie(path)
  expect(cookie).toBeGreaterThan(0n)
  expect(access.cookie(`/proc/self/root${path}`)).toBe(cookie)
  expect(access.cookie('/proc/self/ns/net')).not.toBe(cookie)
  await execa('ip', ['netns', 'exec', NAME, 'nft', 'add', 'table', 'ip', 'x'])
  expect(access.cookie(path)).toBe(cookie)
})

test('a namespace made anew under the number of one that is gone has another cookie, and may have its generation', async () => {
  await make()
  let known = [await inode(), access.cookie(path), access.generation(path)] as const
  for (let tries = 1; ; tries += 1) {
    await remove()
    await make()
    if ((await inode()) === known[0]) break
    // Somebody else has the number by now.
    if (tries % MOST_TRIES === 0) known = [await inode(), access.cookie(path), access.generation(path)]
  }
  expect(access.generation(path)).toBe(known[2])
  expect(access.cookie(path)).not.toBe(known[1])
})

test('what is no network namespace has none', () => {
  expect(access.cookie('/run/netns/njson-absent')).toBeUndefined()
  expect(access.cookie('/proc/self/ns/uts')).toBeUndefined()
})

describe('links', () => {
  const MOST_BYTES = 1 << 20
  const LINKS = [
    'link add eth0 type veth peer name other',
    'link add br0 type bridge',
    'link set eth0 master br0',
    'link add mac0 link other type macvlan mode bridge',
    'link set mac0 address 02:00:00:00:00:07',
    'address add 10.1.0.2/16 dev eth0',
    'address add 10.2.0.1 peer 10.2.0.2/32 dev eth0',
    'address add fd00::2/64 dev eth0',
    'address add 2001:db8::1:0:0:1/128 dev mac0',
  ]

  type Shown = {
    readonly ifname: string
    readonly address?: string
    readonly master?: string
    readonly linkinfo?: { readonly info_kind?: string; readonly info_slave_kind?: string }
    readonly addr_info: readonly { readonly local?: string }[]
  }

  test('are those that ip prints, with their kinds, masters and addresses', async () => {
    await make()
    await execa('ip', ['-n', NAME, '-batch', '-'], { input: LINKS.join('\n') })
    const links = access.links(path, MOST_BYTES)
    const { stdout } = await execa('ip', ['-n', NAME, '-json', '-details', 'address', 'show'])
    const shown = JSON.parse(stdout) as readonly Shown[]
    expect(shown.length).toBeGreaterThanOrEqual(5)
    expect(typeof links === 'string' ? links : links.map(plain)).toEqual(
      shown.map(({ ifname, address = '', master, linkinfo = {}, addr_info }) => ({
        ...{ name: ifname, mac: address, kind: linkinfo.info_kind, mode: undefined, master },
        masterKind: linkinfo.info_slave_kind,
        addresses: addr_info.flatMap(({ local = [] }) => local).map(inFull),
      })),
    )
  })

  const plain = (link: NetnsLink): object => ({ ...link, addresses: link.addresses.map(inFull) })
  /** In one spelling. */
  const inFull = (address: string): string =>
    address.includes(':') ? new URL(`http://[${address}]`).hostname : address

  test('of a size beyond what is read are none', async () => {
    await make()
    const many = Array.from({ length: 200 }, (_, n) => `link add v${n} type veth peer name w${n}`)
    await execa('ip', ['-n', NAME, '-batch', '-'], { input: many.join('\n') })
    expect(access.links(path, MOST_BYTES)).toHaveLength(
      Number((await execa('sh', ['-c', `ip -n ${NAME} -o link | wc -l`])).stdout),
    )
    expect(access.links(path, 10_000)).toMatch(/more links than are read/)
  })

  test('of what is no network namespace are none', () => {
    expect(access.links('/run/netns/njson-absent', MOST_BYTES)).toMatch(/ENOENT/)
  })
})
