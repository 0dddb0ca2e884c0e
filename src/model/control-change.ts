import type {Control, ExtraWorkers} from '../schema/control.ts';

/** The smallest step that a double of today's seconds since 1970 can show safely. */
const MICROSECOND = 1e-6;

/** A scan that is marked as deleted and wanted stopped. Deleting again only moves the time, which never stands still. */
export function deletedControl(control: Control, nowSeconds: number): Control {
  return {
    ...control,
    desired: 'stop',
    is_deleted: true,
    generation: control.generation + 1,
    updated_at: Math.max(nowSeconds, (control.updated_at ?? 0) + MICROSECOND),
  };
}

/** A scan that another one takes the place of. Its `last_updated` stays, as with SkyDriver. */
export function replacedControl(control: Control, replacedBy: string): Control {
  return {...control, replaced_by_scan_id: replacedBy, generation: control.generation + 1};
}

/** A scan that gets more workers as soon as there is room for them. Its `last_updated` stays: the manifest shows nothing of it. */
export function extendedControl(control: Control, extra: ExtraWorkers): Control {
  return {...control, extra_workers: [...control.extra_workers, extra], generation: control.generation + 1};
}
