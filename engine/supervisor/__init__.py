"""`remora run`: starts the other processes, keeps them alive, carries a run from first packet to last upload."""
