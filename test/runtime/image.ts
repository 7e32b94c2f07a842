/**
 * A container image without a registry: the static busybox of this machine in one layer, as an OCI
 * image layout in a tar archive, which is what `ctr images import` reads.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** What the image is called on the node; nothing could be pulled from there. */
export const imageName = 'localhost/mnpd/busybox:1'

/** Its command waits for ever, so that it serves as a sandbox' pause process as well. */
export async function busyboxImage(busybox = '/bin/busybox'): Promise<Buffer> {
  const layer = tar([{ name: 'bin/busybox', content: await readFile(busybox), mode: 0o755 }])
  const config = json({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Entrypoint: ['/bin/busybox', 'sleep', String(2 ** 31 - 1)] },
    rootfs: { type: 'layers', diff_ids: [digest(layer)] },
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  })
  const named = {
    ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
    annotations: { 'io.containerd.image.name': imageName },
  }
  return tar([
    { name: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', content: json({ schemaVersion: 2, manifests: [named] }) },
    ...[layer, config, manifest].map((content) => ({
      name: `blobs/sha256/${digest(content).replace('sha256:', '')}`,
      content,
    })),
  ])
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function digest(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function descriptor(mediaType: string, content: Buffer): object {
  return { mediaType, digest: digest(content), size: content.length }
}

interface Entry {
  readonly name: string
  readonly content: Buffer
  readonly mode?: number
}

/** POSIX ustar: a header block of 512 bytes, the content filled up to whole blocks, two empty blocks at the end. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const padding = Buffer.alloc((512 - (entry.content.length % 512)) % 512)
    return [tarHeader(entry), entry.content, padding]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function tarHeader({ name, content, mode = 0o644 }: Entry): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, at: number, digits: number) =>
    header.write(value.toString(8).padStart(digits, '0'), at)
  header.write(name, 0)
  octal(mode, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(content.length, 124, 11)
  octal(0, 136, 11)
  header.write('0', 156)
  header.write('ustar\u000000', 257)
  // The sum is taken with spaces in its own place.
  header.fill(' ', 148, 156)
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  )
  header[154] = 0
  return header
}
