import {join} from 'node:path';
import {busyboxEntries, userEntries} from './base-images.ts';
import {packImage} from './image.ts';
import type {TarEntry} from './tar.ts';

/** What stands for SkyDriver's own image, out of which a scan's init container and its sidecar are made. */
export const SKYDRIVER_IMAGE = 'localhost/skydriver:test';

/**
 * Speaks their protocol with the REST API alone: the init container asks for no workflow but makes up the id of one, and hands that over; the sidecar sends
 * the start-up file to `$S3_URL`, and ends. Each fails where the original would.
 */
const PYTHON = `#!/bin/sh
set -eu
case "$2" in
  ewms_init_container)
    url="$SKYSCAN_SKYDRIVER_ADDRESS/scan/$3/ewms/workflow-id"
    auth="Authorization: Bearer $SKYSCAN_SKYDRIVER_AUTH"
    [ -n "$EWMS_CLIENT_SECRET" ]
    wget -q -O - --header "$auth" "$url" | grep -q '"requested_ewms_workflow":false'
    body="{\\"workflow_id\\": \\"W-$3\\", \\"ewms_address\\": \\"$EWMS_ADDRESS\\"}"
    wget -q -O /dev/null --header "$auth" --header 'Content-Type: application/json' --post-data "$body" "$url"
    echo '{"toclient": {}, "fromclient": {}}' > "$5"
    ;;
  s3_sidecar)
    trap 'exit 143' TERM
    while [ ! -s "$3" ]; do sleep 0.2; done
    wget -q -O /dev/null --header "X-Key: $S3_ACCESS_KEY_ID/$S3_SECRET_KEY" --post-file "$3" "$S3_URL/$S3_BUCKET/$S3_OBJECT_KEY"
    ;;
  *)
    exit 64
    ;;
esac
`;

/** Packs it. `bin`: the folder with the static busybox. */
export async function packSkydriver(to: string, bin: string): Promise<void> {
  const python: TarEntry = {type: 'file', path: 'bin/python', mode: 0o755, content: Buffer.from(PYTHON)};
  const entries = [...userEntries(), ...(await busyboxEntries(join(bin, 'busybox'))), python];
  await packImage(to, {reference: SKYDRIVER_IMAGE, layers: [entries], config: {Env: ['PATH=/bin']}, maxBytes: 64 << 20});
}
