"""PaCo-FR pre-training: an independent reconstruction, from unlabelled faces to an encoder that timm can load.

    prepare ── shards ──> loader ── Batch ──> method (PaCo-FR, MAE, SimMIM) ──> train ── checkpoint ──> export

The paper's body and code are not public. What its abstract and framework caption say is KNOWN; everything else is
INFERRED, one named setting each (`pretrain.sections`). The exported file is the only thing that passes to `facebench`.
"""
