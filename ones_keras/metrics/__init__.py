"""What a student kept of its teacher, and what the routers do."""

from ones_keras.metrics.agreement import TeacherAgreement, teacher_agreement
from ones_keras.metrics.moe_benefits import MoEBenefits, moe_benefits
from ones_keras.metrics.router_monitor import RouterMonitor
from ones_keras.metrics.router_statistics import (
    LayerRouterStatistics,
    RouterStatistics,
    router_statistics,
)

__all__ = [
    "LayerRouterStatistics",
    "MoEBenefits",
    "RouterMonitor",
    "RouterStatistics",
    "TeacherAgreement",
    "moe_benefits",
    "router_statistics",
    "teacher_agreement",
]
