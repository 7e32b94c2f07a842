/** The image as it is built for these tests, and Vitest's global setup, which builds it. */
import { join } from 'node:path'
import { execa } from 'execa'

const ROOT = join(import.meta.dirname, '../..')

/** An archive that containerd imports. */
export const IMAGE_FILE: string = join(ROOT, '.cache/image/mnpd.tar')

/** As the archive names it. */
export const IMAGE = 'localhost/mnpd:test'

export default async function setup(): Promise<void> {
  await execa(join(ROOT, 'test/tools/build-image'), [IMAGE_FILE], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}
